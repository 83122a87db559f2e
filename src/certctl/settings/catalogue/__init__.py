"""The settings table, row by row: every ``CERTCTL_`` name this server knows."""

from __future__ import annotations

from typing import Any, Final

from certctl.settings.catalogue.est import EST_VARIABLES, PROFILE_VARIABLES
from certctl.settings.catalogue.events import EVENT_VARIABLES, WEBHOOK_VARIABLES
from certctl.settings.catalogue.issuing import ISSUER_VARIABLES, ISSUING_VARIABLES
from certctl.settings.catalogue.server import SERVER_VARIABLES
from certctl.settings.catalogue.tracing import TRACING_VARIABLES
from certctl.settings.variable import Variable

SINGLE_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    *SERVER_VARIABLES,
    *EST_VARIABLES,
    *ISSUING_VARIABLES,
    *EVENT_VARIABLES,
    *TRACING_VARIABLES,
)
"""Those that exist once; the families are per profile, issuer and webhook."""

__all__ = [
    "EST_VARIABLES",
    "EVENT_VARIABLES",
    "ISSUER_VARIABLES",
    "ISSUING_VARIABLES",
    "PROFILE_VARIABLES",
    "SERVER_VARIABLES",
    "SINGLE_VARIABLES",
    "TRACING_VARIABLES",
    "WEBHOOK_VARIABLES",
]
