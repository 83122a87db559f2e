"""What each job is for, in words for the page that lists them.

Names stand here as text: the modules that define them belong to the authority, and a
process that serves pages need not load them. A test holds the two together.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

PURPOSES: Final = MappingProxyType(
    {
        "activity-figures": "counts for the overview what EST was asked",
        "audit-verification": "verifies the whole audit trail",
        "checkpoint": "seals the audit trail",
        "expiry": "announces certificates that expire soon",
        "inventory-figures": "counts certificates for the overview",
        "outbox": "sends events to other systems",
        "purge": "forgets answers kept for repeated requests, and delivered events",
        "reconcile": "asks other CAs what became of orders without an answer",
        "retention": "drops records whose time is over",
        "tell-issuers": "tells other CAs of revocations",
    }
)

CRL: Final = "crl-"


def purpose(job: str) -> str:
    """A short text; empty for a job that this version does not know."""
    if job.startswith(CRL):
        return "makes this issuer's lists of revoked certificates"
    return PURPOSES.get(job, "")
