"""A CRL on record: what is said of it, beside its octets (records §4, RFC 5280 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

RevokedRow: TypeAlias = tuple[bytes, int, str]
"""Serial number (20 octets, big endian), time of revocation in microseconds, reason.

A bare tuple: there may be millions.
"""

PART_OCTETS = 1 << 20
"""A CRL is kept and sent in pieces of so many octets: one is written in milliseconds."""

MAX_PARTS = 512
"""Half a gigabyte, ten million entries: more than any reader takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSeal:
    """What a signature puts around a TBSCertList: the CRL is ``front + tbs + back`` (DER)."""

    front: bytes
    back: bytes

    def around(self, tbs: bytes) -> bytes:
        """The whole CRL."""
        return b"".join((self.front, tbs, self.back))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCrl:
    """What a CA signed; all of it was read from the very octets (times in microseconds).

    ``whole``: a list of everything the issuer revoked, not of a part, nor a delta CRL.
    """

    seal: CrlSeal
    number: int
    this_update_us: int
    next_update_us: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlRecord:
    """The newest CRL of one issuer; times in microseconds since the epoch.

    Attributes:
        number: CRL number; never given to other octets again.
        scheduled_us: thisUpdate of the newest CRL that was made because its time had
            come; this one's own, if it was.
        stamp: the state of the records that it was made from (``revocation_stamp``).
        seal: stands before and after the parts of the TBSCertList.
        parts: how many pieces of at most ``PART_OCTETS`` the TBSCertList is kept in.
        size: octets of the whole CRL.
        digest: SHA-256 of the whole CRL.
    """

    issuer_id: str
    number: int
    this_update_us: int
    next_update_us: int
    scheduled_us: int
    stamp: str
    seal: CrlSeal
    parts: int
    size: int
    digest: bytes
