"""Commands about CRLs, as the jobs process sends them (records §4)."""

from __future__ import annotations

import msgspec

from certctl.domain.crl import CrlRecord


class PutCrlPart(msgspec.Struct, frozen=True, kw_only=True, tag="put_crl_part"):
    """Keep a piece of the next CRL's TBSCertList (records §4). Answer: ``CrlPartKept``."""

    fence: int
    issuer_id: str
    number: int
    part: int
    octets: bytes
    delta: bool = False
    partition: int | None = None


class CrlPartKept(msgspec.Struct, frozen=True, tag="crl_part"):
    pass


class SignCrl(msgspec.Struct, frozen=True, kw_only=True, tag="sign_crl"):
    """Check and sign the pieces of a CRL. Answer: ``CrlPublished``.

    ``scheduled``: it is made because its time had come. ``stamp``: the state of the
    records that it was made from.
    """

    fence: int
    issuer_id: str
    number: int
    parts: int
    scheduled: bool
    stamp: str
    delta: bool = False
    partition: int | None = None


class CrlPublished(msgspec.Struct, frozen=True, tag="crl_published"):
    crl: CrlRecord


class DropCrlParts(msgspec.Struct, frozen=True, kw_only=True, tag="drop_crl_parts"):
    """Remove pieces of old CRLs, a bounded number. Answer: ``CrlPartsDropped``."""

    fence: int
    issuer_id: str
    delta: bool = False
    partition: int | None = None


class CrlPartsDropped(msgspec.Struct, frozen=True, tag="crl_parts_dropped"):
    more: bool


CrlCommand = PutCrlPart | SignCrl | DropCrlParts
