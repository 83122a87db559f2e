"""Lists of revoked certificates as bytes (RFC 5280 §5), made for millions of entries.

A list comes in pieces, each made when it is asked for, of entries in no order: the RFC
wants none, and sorting would double the memory. Nothing here signs; ``wire.crl_reader``
reads what a signer is asked to sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from certctl.domain.clock import SECOND_US
from certctl.domain.crl import (
    PART_OCTETS,
    CrlSeal,
    RevokedBlock,
    RevokedRow,
    pack,
)
from certctl.wire import crl_entries
from certctl.wire.certificate import extension
from certctl.wire.der import BIT_STRING, SEQUENCE, encode, encode_head, encode_integer
from certctl.wire.pointers import check_url, encode_distribution_points, encode_point_name
from certctl.wire.times import encode_time

AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
CRL_NUMBER = "2.5.29.20"
DELTA_CRL_INDICATOR = "2.5.29.27"
ISSUING_DISTRIBUTION_POINT = "2.5.29.28"
FRESHEST_CRL = "2.5.29.46"

EXTENSIONS = 0xA0
KEY_IDENTIFIER = 0x80
_VERSION_2 = b"\x02\x01\x01"

MAX_NUMBER = (1 << 159) - 1
"""RFC 5280 §5.2.3 allows a CRL number twenty octets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlIssuer:
    """Who a CRL is of; all of it is public.

    Attributes:
        algorithm_der: AlgorithmIdentifier of the issuer's signatures.
        issuer_der: Name (DER) exactly as the subject of the CA certificate.
        key_identifier: SubjectKeyIdentifier of the CA certificate.
    """

    algorithm_der: bytes
    issuer_der: bytes
    key_identifier: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlFields:
    """What a CRL says besides its entries; times in microseconds, written in seconds.

    Attributes:
        number: rises with each CRL of one scope, and is shared by full and delta CRLs.
        distribution_point: URL of a partition, equal to the CDP of the certificates in
            it; makes the CRL one of that partition only (critical, RFC 5280 §5.2.5).
        base_number: of the full CRL that a delta CRL updates; None for a full CRL.
        freshest_url: of a full CRL's delta CRL (RFC 5280 §5.2.6).
    """

    number: int
    this_update_us: int
    next_update_us: int
    distribution_point: str | None = None
    base_number: int | None = None
    freshest_url: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_NUMBER:
            raise ValueError(f"CRL number out of range: {self.number}")
        if self.next_update_us // SECOND_US <= self.this_update_us // SECOND_US:
            raise ValueError("nextUpdate must be later than thisUpdate")
        if self.base_number is not None:
            if not 0 <= self.base_number < self.number:
                raise ValueError("a delta CRL updates a CRL of a lower number")
            if self.freshest_url is not None:
                raise ValueError("a delta CRL has no fresher one (RFC 5280 §5.2.6)")
        for url in (self.distribution_point, self.freshest_url):
            if url is not None:
                check_url(url)


def encode_pieces(
    issuer: CrlIssuer, fields: CrlFields, blocks: Sequence[RevokedBlock]
) -> Iterator[bytes]:
    """TBSCertList (DER), version 2, in pieces of at most ``PART_OCTETS``.

    No entry is cut in two: each piece can be read by itself.

    Args:
        issuer: whose certificates these are.
        fields: number, dates and scope.
        blocks: the entries. Each serial at most once; only a delta CRL may hold
            removeFromCRL.

    Raises:
        ValueError: a time before 1970 or after 9999, a serial of more than 20 octets,
            removeFromCRL in a full CRL.
    """
    delta = fields.base_number is not None
    rare = [part for block in blocks for part in crl_entries.encode_rare(block.rare, delta=delta)]
    size = sum(crl_entries.packed_size(block) for block in blocks) + sum(map(len, rare))
    front = b"".join(
        (
            _VERSION_2,
            issuer.algorithm_der,
            issuer.issuer_der,
            encode_time(fields.this_update_us // SECOND_US),
            encode_time(fields.next_update_us // SECOND_US),
            # RFC 5280 §5.1.2.6: an empty list is left out.
            encode_head(SEQUENCE, size) if size else b"",
        )
    )
    back = encode(EXTENSIONS, encode(SEQUENCE, *_extensions(issuer, fields)))
    piece = encode_head(SEQUENCE, len(front) + size + len(back)) + front
    for entries in chain(rare, crl_entries.encode_packed(blocks, delta=delta), (back,)):
        if len(piece) + len(entries) > PART_OCTETS:
            yield piece
            piece = entries
        else:
            piece += entries
    yield piece


def encode_tbs(issuer: CrlIssuer, fields: CrlFields, entries: Iterable[RevokedRow]) -> bytes:
    """The same in one, of entries that are at hand one by one.

    Raises:
        ValueError: as above.
        KeyError: a reason that is none.
    """
    return b"".join(encode_pieces(issuer, fields, [pack(entries)]))


def seal(tbs: bytes, *, algorithm_der: bytes, signature: bytes) -> bytes:
    """CertificateList (DER) of a TBSCertList and the issuer's signature over it."""
    return seal_for(len(tbs), algorithm_der=algorithm_der, signature=signature).around(tbs)


def seal_for(length: int, *, algorithm_der: bytes, signature: bytes) -> CrlSeal:
    """What makes a CertificateList (DER) of a TBSCertList of so many octets."""
    back = algorithm_der + encode(BIT_STRING, b"\x00", signature)
    return CrlSeal(front=encode_head(SEQUENCE, length + len(back)), back=back)


def _extensions(issuer: CrlIssuer, fields: CrlFields) -> Iterable[bytes]:
    identifier = encode(SEQUENCE, encode(KEY_IDENTIFIER, issuer.key_identifier))
    yield extension(AUTHORITY_KEY_IDENTIFIER, identifier)
    yield extension(CRL_NUMBER, encode_integer(fields.number))
    if fields.base_number is not None:
        base = encode_integer(fields.base_number)
        yield extension(DELTA_CRL_INDICATOR, base, critical=True)
    if fields.distribution_point is not None:
        point = encode(SEQUENCE, encode_point_name(fields.distribution_point))
        yield extension(ISSUING_DISTRIBUTION_POINT, point, critical=True)
    if fields.freshest_url is not None:
        yield extension(FRESHEST_CRL, encode_distribution_points(fields.freshest_url))
