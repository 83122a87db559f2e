"""OCSP requests from bytes: which certificates are asked about, and of which issuer.

RFC 6960 §4.1, RFC 5019 §2.1, RFC 9654 (nonce). Strict DER, linear, bounded. Signatures of
requests are looked over, never verified: the answer is public anyway (RFC 5019 §2.1.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import OcspError
from certctl.wire.body import strict_base64
from certctl.wire.certificate import public_key_bits
from certctl.wire.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    encode,
    encode_oid,
    expect,
    integer_octets,
    read,
    read_unsigned,
)
from certctl.wire.extensions import decode_extensions

NONCE = "1.3.6.1.5.5.7.48.1.2"
MAX_NONCE = 128
"""RFC 9654 §2.1."""

MAX_REQUEST = 4_096
"""Octets; a question about one certificate has about a hundred."""

MAX_QUESTIONS = 16
"""All certificates of one request are answered (RFC 6960 §4.2.2.3), so there is a bound."""

_VERSION_1 = b"\xa0\x03\x02\x01\x00"
_REQUESTOR_NAME = 0xA1
_REQUEST_EXTENSIONS = 0xA2
_TAGGED_0 = 0xA0  # Signature of a request, extensions of a single one.

_SHA1 = encode_oid("1.3.14.3.2.26")
_SHA256 = encode_oid("2.16.840.1.101.3.4.2.1")
_PARAMETERS = (b"\x05\x00", b"")
"""NULL as RFC 3370 §2.1 writes SHA-1, or none as RFC 5754 §2 wants it; both are met."""

_HEX = frozenset(b"0123456789abcdefABCDEF")
_MAX_HEX = 42

# How a request about one certificate without extensions begins, by its length: five
# SEQUENCEs, each around the rest. 129 octets are as much as short lengths can tell.
_STANDARD_HEADS = tuple(
    bytes(octet for depth in range(2, 12, 2) for octet in (SEQUENCE, max(length - depth, 0)))
    for length in range(130)
)
_CERT_ID_OFFSET = 8


class CertId(NamedTuple):
    """One certificate asked about.

    Attributes:
        der: the CertID, to be repeated in the answer octet for octet.
        serial: lower-case hex without padding, as records keep it.
    """

    der: bytes
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspQuestion:
    """A request that can be answered: at least one CertID, and the nonce to be echoed."""

    cert_ids: tuple[CertId, ...]
    nonce: bytes | None = None


class OcspIssuer:
    """A CA as CertIDs name it: hashes of its name and of its key."""

    __slots__ = ("_heads",)

    def __init__(self, *, issuer_der: bytes, spki_der: bytes) -> None:
        """Take the CA's subject (DER) and SubjectPublicKeyInfo (DER).

        Raises:
            DerError: no SubjectPublicKeyInfo.
        """
        bits = public_key_bits(spki_der)
        self._heads = tuple(
            encode(SEQUENCE, algorithm, parameters)
            + encode(OCTET_STRING, digest(issuer_der))
            + encode(OCTET_STRING, digest(bits))
            for algorithm, digest in ((_SHA1, _sha1), (_SHA256, _sha256))
            for parameters in _PARAMETERS
        )

    def is_meant(self, cert_id: CertId) -> bool:
        """Whether a CertID names this CA, by both hashes (RFC 6960 §4.1.1).

        Octet for octet one of ``cert_ids``, so that what is kept for it is found by them.
        """
        return cert_id.der in self.cert_ids(cert_id.serial)

    def cert_ids(self, serial: str) -> tuple[bytes, ...]:
        """All CertIDs (DER) that mean one certificate of this CA; SHA-1 with NULL first.

        ``serial`` is lower-case hex without padding.
        """
        octets = bytes.fromhex(serial.zfill(len(serial) + len(serial) % 2))
        number = encode(INTEGER, integer_octets(octets))
        return tuple(encode(SEQUENCE, head, number) for head in self._heads)

    def question(self, serial: str) -> OcspQuestion:
        """The question about a serial number alone (lower-case hex without padding).

        Whoever asks so shows no CertID; SHA-1 is what readers look the answer up by.
        """
        return OcspQuestion(cert_ids=(CertId(self.cert_ids(serial)[0], serial),))


def standard_cert_id(request: bytes) -> bytes | None:
    """The CertID (DER) of a request of the usual shape: one certificate, no extension.

    Only good for finding an answer that was given before: what is in the CertID was not
    looked at. None for any other shape.
    """
    length = len(request)
    if length >= len(_STANDARD_HEADS) or request[:10] != _STANDARD_HEADS[length]:
        return None
    return request[_CERT_ID_OFFSET:]


def decode_request(der: bytes) -> OcspQuestion:
    """Read an OCSPRequest (DER).

    Raises:
        OcspRefused: ``malformedRequest``; not DER, no certificate or too many, a nonce
            of 0 or more than 128 octets, a critical extension that is not known.
    """
    try:
        return _read_request(der)
    except DerError as err:
        raise OcspRefused(OcspError.MALFORMED_REQUEST, str(err)) from err


def request_of_path(tail: bytes) -> bytes:
    """The request (DER) in what follows the responder's URL (RFC 6960 appendix A.1).

    Args:
        tail: raw octets of the path; base64, percent-encoded or not, also with a
            superfluous slash before it.

    Raises:
        OcspRefused: ``malformedRequest``; not base64.
    """
    if len(tail) > 2 * MAX_REQUEST:
        raise OcspRefused(OcspError.MALFORMED_REQUEST, "path too long")
    if b"%" in tail:
        tail = unquote_to_bytes(tail)
    try:
        # A slash is also a digit of base64, but that of DER never begins with one.
        return strict_base64(tail.lstrip(b"/"))
    except ValueError as err:
        raise OcspRefused(OcspError.MALFORMED_REQUEST, f"path: {err}") from err


def serial_of_path(tail: bytes) -> str | None:
    """The serial number (lower-case hex without padding) of ``…/{serial hex}``.

    None where it is something else. There is no doubt between the two forms: base64 of
    DER begins with M.
    """
    if not 0 < len(tail) <= _MAX_HEX or not _HEX.issuperset(tail):
        return None
    return tail.decode("ascii").lower().lstrip("0") or "0"


def _read_request(der: bytes) -> OcspQuestion:
    if len(der) > MAX_REQUEST:
        raise DerError(f"more than {MAX_REQUEST} octets")
    start, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the request")
    offset, stop = expect(der, start, end, SEQUENCE)
    if stop != end:
        _, signature_end = expect(der, stop, end, _TAGGED_0)
        if signature_end != end:
            raise DerError("octets after the signature")
    # DER leaves the default version out, but senders that write it mean no harm.
    if der.startswith(_VERSION_1, offset, stop):
        offset += len(_VERSION_1)
    if der[offset : offset + 1] == bytes((_REQUESTOR_NAME,)):
        _, offset = expect(der, offset, stop, _REQUESTOR_NAME)
    first, last = expect(der, offset, stop, SEQUENCE)
    cert_ids: list[CertId] = []
    while first < last:
        cert_id, first = _read_single(der, first, last)
        cert_ids.append(cert_id)
        if len(cert_ids) > MAX_QUESTIONS:
            raise DerError(f"more than {MAX_QUESTIONS} certificates")
    if not cert_ids:
        raise DerError("no certificate asked about")
    nonce = None
    if last != stop:
        content, extensions_end = expect(der, last, stop, _REQUEST_EXTENSIONS)
        if extensions_end != stop:
            raise DerError("octets after the extensions")
        nonce = _read_nonce(der[content:extensions_end])
    return OcspQuestion(cert_ids=tuple(cert_ids), nonce=nonce)


def _read_single(der: bytes, offset: int, end: int) -> tuple[CertId, int]:
    start, stop = expect(der, offset, end, SEQUENCE)
    content, cert_id_end = expect(der, start, stop, SEQUENCE)
    inner, inner_end = expect(der, content, cert_id_end, SEQUENCE)
    _, oid_end = expect(der, inner, inner_end, OBJECT_IDENTIFIER)
    if oid_end != inner_end and read(der, oid_end, inner_end)[2] != inner_end:
        raise DerError("octets after the parameters of the hash")
    _, name_end = expect(der, inner_end, cert_id_end, OCTET_STRING)
    _, key_end = expect(der, name_end, cert_id_end, OCTET_STRING)
    number, number_end = expect(der, key_end, cert_id_end, INTEGER)
    if number_end != cert_id_end:
        raise DerError("octets after the serial number")
    if cert_id_end != stop:
        extensions, extensions_end = expect(der, cert_id_end, stop, _TAGGED_0)
        if extensions_end != stop:
            raise DerError("octets after the extensions of a certificate")
        _read_extensions(der[extensions:extensions_end], known=())
    serial = f"{read_unsigned(der[number:number_end]):x}"
    return CertId(der[start:cert_id_end], serial), stop


def _read_nonce(extensions: bytes) -> bytes | None:
    value = _read_extensions(extensions, known=(NONCE,)).get(NONCE)
    if value is None:
        return None
    start, end = expect(value, 0, len(value), OCTET_STRING)
    if end != len(value):
        raise DerError("octets after the nonce")
    if not 1 <= end - start <= MAX_NONCE:
        raise DerError(f"a nonce of {end - start} octets")
    return value[start:end]


def _read_extensions(der: bytes, *, known: tuple[str, ...]) -> dict[str, bytes]:
    """Values by OID. RFC 6960 §4.4: the unknown is overlooked, unless it is critical."""
    extensions = decode_extensions(der)
    for one in extensions:
        if one.critical and one.oid not in known:
            raise DerError(f"critical extension {one.oid}")
    return {one.oid: one.value for one in extensions}


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
