"""The command to read a trust bundle again (est §10)."""

from __future__ import annotations

import msgspec

from certctl.domain.trust_change import TrustChange


class ReloadTrust(msgspec.Struct, frozen=True, kw_only=True, tag="reload_trust"):
    """Read one profile's trust bundle again (est §10), or with ``registration`` its list of
    registration authorities. Answer: ``TrustReloaded``.

    With ``SYSTEM`` as actor a file that has not changed leaves no event: then nobody
    asked for this profile by name.
    """

    path_id: str
    actor: str
    registration: bool = False


class TrustReloaded(msgspec.Struct, frozen=True, tag="trust_reloaded"):
    """The bundle is in force from ``reloaded_us`` on; workers take it over at once."""

    change: TrustChange
    reloaded_us: int
