"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

import msgspec

from certctl.domain.revocation import Revocation, RevocationReason
from certctl.domain.trust_change import TrustChange

SYSTEM = "system"
"""The actor of what happens by itself or by a signal."""


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``Revocation``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


class ReloadTrust(msgspec.Struct, frozen=True, kw_only=True, tag="reload_trust"):
    """Read one profile's trust bundle again (est §10). Answer: ``TrustReloaded``.

    With ``SYSTEM`` as actor a file that has not changed leaves no event: then nobody
    asked for this profile by name.
    """

    path_id: str
    actor: str


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


class TrustReloaded(msgspec.Struct, frozen=True, tag="trust_reloaded"):
    """The bundle is in force from ``reloaded_us`` on; workers take it over at once."""

    change: TrustChange
    reloaded_us: int


Command = RevokeCertificate | ReloadTrust
CommandResult = RevocationDone | TrustReloaded
