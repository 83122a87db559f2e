"""What a reload of a profile's trust bundle changes; for events, answers and lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChange:
    """A bundle that was read and found good, compared with the one in force.

    Attributes:
        path_id: the EST profile.
        path: the operator's file.
        sha256: hexadecimal digest of the file's octets: what the workers say they loaded.
        changed: the octets differ from those in force.
        added: anchors that come, as ``SUBJECT (sha256 FINGERPRINT)``.
        removed: anchors that go, likewise.
        count: anchors in the bundle.
    """

    path_id: str
    path: str
    sha256: str
    changed: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    count: int
