"""Which setting a ``CERTCTL_…`` name means: ours, the original's, a client's, or nobody's.

Families (``EST_PROFILE_<NAME>_*``, ``ISSUER_<ID>_*``, ``WEBHOOK_<NAME>_*``) are spelled out
for the profiles, issuers and webhooks that are listed: a name is looked up, never guessed
apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from certctl.settings.catalogue import (
    ISSUER_VARIABLES,
    PROFILE_VARIABLES,
    SINGLE_VARIABLES,
    WEBHOOK_VARIABLES,
)
from certctl.settings.later import LATER_PREFIXES
from certctl.settings.variable import (
    DEFAULT_ISSUER,
    ISSUER_PREFIX,
    PREFIX,
    PROFILE_PREFIX,
    WEBHOOK_PREFIX,
    Variable,
    infix,
)

FILE_SUFFIX = "_FILE"

ORIGINAL_ONLY: Final = (
    "SCEP_",
    "ACME_",
    "SCHEDULER_",
    "AGENT_",
    "JOB_",
    "OIDC_",
    "SESSION_",
    "BREAKGLASS_",
    "BOOTSTRAP_",
    "SHORT_LIVED_",
    "DEMO_MODE",
    "RENEWAL_CONCURRENCY",
)
"""Beginnings of names that mean something to the original and nothing here."""

CLIENT_NAMES: Final = frozenset(
    {
        "SERVER_URL",
        "API_KEY",
        "API_KEY_FILE",
        "SERVER_CA_BUNDLE_PATH",
        "SERVER_TLS_INSECURE_SKIP_VERIFY",
        "CONTEXT",
        "CLI_CONFIG",
        "MCP_EST_USER",
        "MCP_EST_PASSWORD_FILE",
        "MCP_DOCTOR_SERVERS",
    }
)
"""Read by the command-line clients (operator §3)."""

SERVICE_LINKS: Final = ("SERVICE_", "PORT_", "SERVER_SERVICE_", "SERVER_PORT_")
"""Kubernetes sets these for services called ``certctl`` and ``certctl-server``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a name means: a variable, of which profile, issuer or webhook, given how."""

    variable: Variable[Any]
    owner: str = ""
    from_file: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """All names known to this configuration, without ``CERTCTL_``."""

    _targets: Mapping[str, Target] = field(repr=False)

    @classmethod
    def of(
        cls, profiles: Iterable[str], issuers: Iterable[str], webhooks: Iterable[str] = ()
    ) -> Names:
        """The names for these path IDs, issuer ids and webhooks (lower case)."""
        targets: dict[str, Target] = {}
        for variable in SINGLE_VARIABLES:
            _add(targets, variable.name, variable, "")
        for prefix, variables, owners in (
            (PROFILE_PREFIX, PROFILE_VARIABLES, profiles),
            (ISSUER_PREFIX, ISSUER_VARIABLES, issuers),
            (WEBHOOK_PREFIX, WEBHOOK_VARIABLES, webhooks),
        ):
            for owner, variable in product(owners, variables):
                for spelled in _spellings(owner):
                    _add(targets, f"{prefix}{spelled}_{variable.name}", variable, owner)
        for variable in ISSUER_VARIABLES:
            if variable.short:
                _add(targets, variable.name, variable, DEFAULT_ISSUER)
        return cls(targets)

    def target(self, name: str) -> Target | None:
        """What ``name`` (without prefix) means here, if it is one of ours."""
        return self._targets.get(name)

    def nearest(self, name: str) -> str | None:
        """The known name most like an unknown one, in full."""
        close = difflib.get_close_matches(name, self._targets, n=1)
        return f"{PREFIX}{close[0]}" if close else None


def doubled_infixes(owners: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Infixes that fit more than one of these different names, with the names."""
    fitting: dict[str, dict[str, None]] = {}
    for owner in owners:
        fitting.setdefault(infix(owner), {})[owner] = None
    return {key: tuple(names) for key, names in fitting.items() if len(names) > 1}


def is_left_alone(name: str) -> bool:
    """Names of clients and Kubernetes service links: not ours, not wrong."""
    return name in CLIENT_NAMES or name == "PORT" or name.startswith(SERVICE_LINKS)


def is_original_only(name: str) -> bool:
    return name.startswith(ORIGINAL_ONLY)


def is_later_connector(name: str) -> bool:
    return name.startswith(LATER_PREFIXES)


def unlisted_owner(name: str) -> str | None:
    """Why a family name is unknown although its ending is right: nobody lists its owner."""
    for prefix, variables, lister in (
        (PROFILE_PREFIX, PROFILE_VARIABLES, "EST_PROFILES"),
        (ISSUER_PREFIX, ISSUER_VARIABLES, "ISSUERS"),
        (WEBHOOK_PREFIX, WEBHOOK_VARIABLES, "WEBHOOKS"),
    ):
        if not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        for variable in variables:
            for ending in (variable.name, variable.name + FILE_SUFFIX):
                owner = rest.removesuffix(f"_{ending}")
                if owner and owner != rest:
                    return f"{PREFIX}{lister} lists no {owner.lower()}"
    return None


def _spellings(owner: str) -> set[str]:
    return {owner.upper(), infix(owner)}


def _add(targets: dict[str, Target], name: str, variable: Variable[Any], owner: str) -> None:
    # The first one keeps a name that fits two; that it does is a fault of its own
    # (doubled_infixes), so nothing is started on it.
    targets.setdefault(name, Target(variable=variable, owner=owner))
    if variable.secret:
        targets.setdefault(
            name + FILE_SUFFIX, Target(variable=variable, owner=owner, from_file=True)
        )
