"""Lists of revoked certificates as bytes (RFC 5280 §5), made for millions of entries.

Entries are written one after the other as they come, without a copy of the whole and
without an order: the RFC wants none, and sorting would double the memory. Nothing here
signs; ``wire.crl_reader`` reads what a signer is asked to sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Final, TypeAlias

from certctl.domain.clock import SECOND_US
from certctl.domain.crl import CrlSeal
from certctl.domain.revocation import RevocationReason
from certctl.wire.certificate import extension
from certctl.wire.der import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    encode,
    encode_head,
    encode_integer,
    integer_octets,
)
from certctl.wire.pointers import check_url, encode_distribution_points, encode_point_name
from certctl.wire.times import UTC_TIME, encode_time

AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
CRL_NUMBER = "2.5.29.20"
DELTA_CRL_INDICATOR = "2.5.29.27"
ISSUING_DISTRIBUTION_POINT = "2.5.29.28"
FRESHEST_CRL = "2.5.29.46"
REASON_CODE = "2.5.29.21"

EXTENSIONS = 0xA0
KEY_IDENTIFIER = 0x80
_ENUMERATED = 0x0A
_VERSION_2 = b"\x02\x01\x01"

_SERIAL_OCTETS = 20
_DAY = 86_400
_YEAR_2050_US = 2_524_608_000 * SECOND_US
_COMMON_LENGTH = 2 + _SERIAL_OCTETS + 15  # INTEGER and UTCTime
_CHUNK = 1_000  # More leaves the caches of the processor.

REMOVE_FROM_CRL: Final = "removeFromCRL"
"""The one reason that no certificate is revoked for: a delta CRL releases a hold with it."""

CrlEntry: TypeAlias = tuple[bytes, int, str]
"""Serial number (octets, big-endian), time of revocation in microseconds, and a
``RevocationReason`` or ``REMOVE_FROM_CRL``. A bare tuple: there may be millions.
"""

CODES: Final = {reason.value: reason.code for reason in RevocationReason} | {REMOVE_FROM_CRL: 8}
"""CRLReason (RFC 5280 §5.3.1) by its name."""

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


def encode_tbs(issuer: CrlIssuer, fields: CrlFields, entries: Iterable[CrlEntry]) -> bytes:
    """TBSCertList (DER), version 2, of ``entries`` in the order they come in.

    Args:
        issuer: whose certificates these are.
        fields: number, dates and scope.
        entries: (serial, revoked_us, reason); a serial of any width, big-endian. Each
            serial at most once; only a delta CRL may hold removeFromCRL.

    Raises:
        ValueError: a time before 1970 or after 9999, a serial of more than 20 octets,
            removeFromCRL in a full CRL.
        KeyError: a reason that is none.
    """
    revoked = _encode_entries(entries, delta=fields.base_number is not None)
    front = b"".join(
        (
            _VERSION_2,
            issuer.algorithm_der,
            issuer.issuer_der,
            encode_time(fields.this_update_us // SECOND_US),
            encode_time(fields.next_update_us // SECOND_US),
            # RFC 5280 §5.1.2.6: an empty list is left out.
            encode_head(SEQUENCE, len(revoked)) if revoked else b"",
        )
    )
    back = encode(EXTENSIONS, encode(SEQUENCE, *_extensions(issuer, fields)))
    length = len(front) + len(revoked) + len(back)
    return b"".join((encode_head(SEQUENCE, length), front, revoked, back))


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


def _encode_entries(entries: Iterable[CrlEntry], *, delta: bool) -> bytearray:
    written = bytearray()
    shapes = _shapes(delta=delta)
    source = iter(entries)
    while chunk := list(islice(source, _CHUNK)):
        if _are_common(chunk):
            written += _encode_common(chunk, shapes)
        else:
            for serial, revoked_us, reason in chunk:
                written += _encode_one(serial, revoked_us, shapes[reason][1])
    return written


def _are_common(chunk: list[CrlEntry]) -> bool:
    """Whether all serials have twenty octets and all times are written as UTCTime."""
    serials = [entry[0] for entry in chunk]
    times = [entry[1] for entry in chunk]
    return (
        set(map(len, serials)) == {_SERIAL_OCTETS}
        and min(serials) >= b"\x01"
        and max(serials) < b"\x80"
        and min(times) >= 0
        and max(times) < _YEAR_2050_US
    )


def _encode_common(chunk: list[CrlEntry], shapes: Mapping[str, tuple[bytes, bytes]]) -> bytes:
    """Column by column, which the interpreter does several times faster than row by row."""
    days, clock = _days(), _clock()
    around = [shapes[reason] for _, _, reason in chunk]
    seconds = [revoked_us // SECOND_US for _, revoked_us, _ in chunk]
    parts = [b""] * (5 * len(chunk))
    parts[0::5] = [head for head, _ in around]
    parts[1::5] = [serial for serial, _, _ in chunk]
    parts[2::5] = [days[second // _DAY] for second in seconds]
    parts[3::5] = [clock[second % _DAY] for second in seconds]
    parts[4::5] = [tail for _, tail in around]
    return b"".join(parts)


def _shapes(*, delta: bool) -> dict[str, tuple[bytes, bytes]]:
    """What stands around serial and time of nearly all entries, by reason."""
    tails = {reason: _reason_extension(code) for reason, code in CODES.items()}
    if not delta:
        del tails[REMOVE_FROM_CRL]
    return {
        reason: (bytes((SEQUENCE, _COMMON_LENGTH + len(tail), INTEGER, _SERIAL_OCTETS)), tail)
        for reason, tail in tails.items()
    }


def _encode_one(serial: bytes, revoked_us: int, tail: bytes) -> bytes:
    if revoked_us < 0:
        raise ValueError(f"revoked before 1970: {revoked_us}")
    number = integer_octets(serial)
    if len(number.lstrip(b"\x00")) > _SERIAL_OCTETS:
        raise ValueError(f"a serial of {len(number)} octets")
    return encode(SEQUENCE, encode(INTEGER, number), encode_time(revoked_us // SECOND_US), tail)


def _reason_extension(code: int) -> bytes:
    # RFC 5280 §5.3.1: unspecified, 0, is said by saying nothing.
    if code == 0:
        return b""
    return encode(SEQUENCE, extension(REASON_CODE, bytes((_ENUMERATED, 1, code))))


@lru_cache(maxsize=1)
def _clock() -> list[bytes]:
    """How a UTCTime ends, for each second of a day."""
    return [
        b"%02d%02d%02dZ" % (second // 3_600, second // 60 % 60, second % 60)
        for second in range(_DAY)
    ]


@lru_cache(maxsize=1)
def _days() -> list[bytes]:
    """How a UTCTime begins, for each day from 1970 to 2049."""
    return [
        bytes((UTC_TIME, 13))
        + datetime.fromtimestamp(second, UTC).strftime("%y%m%d").encode("ascii")
        for second in range(0, _YEAR_2050_US // SECOND_US, _DAY)
    ]
