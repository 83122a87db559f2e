"""What a certificate that somebody showed us says about itself, trusted or not.

RFC 5280 §4.1. Every octet may be an attacker's. The form is walked here first, so that
only shortest-form DER with a positive serial number and no extension twice goes on to
the two libraries that must agree on it. Says nothing about who issued it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography import x509
from msgspec import Struct, structs

from certctl.domain.errors import CertificateRefused
from certctl.domain.principal import Credential
from certctl.trust.name_text import name_text
from certctl.wire.certificate_reader import read_certificate
from certctl.wire.der import (
    BIT_STRING,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerError,
    decode_oid,
    expect,
    read,
)

MAX_CERTIFICATE = 32 * 1024
"""Octets. Device certificates have 1 to 3 KiB, post-quantum ones up to 8 KiB."""

_MAX_USAGES = 64

_BOOLEAN = 0x01

_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_KEY_USAGE = bytes.fromhex("551d0f")
_EXTENDED_KEY_USAGE = bytes.fromhex("551d25")

_CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2"
_ANY_USAGE = "2.5.29.37.0"
_REGISTRATION_AUTHORITY = "1.3.6.1.5.5.7.3.28"  # id-kp-cmcRA, RFC 6402 §2.10

_DIGITAL_SIGNATURE = 0x80  # bit 0
_KEY_CERT_SIGN = 0x04  # bit 5


class Walked(Struct, frozen=True, kw_only=True):
    """One certificate, taken apart.

    Attributes:
        serial: lower-case hex without padding.
        subject_der: Name, as it stands in the certificate.
        issuer_der: Name, as it stands in the certificate.
        is_ca: BasicConstraints says so.
        key_usage: first octet of the KeyUsage bits, or None without the extension.
        ekus: dotted OIDs, or None without the extension.
        san_der: GeneralNames (DER), or empty.
        fingerprint: SHA-256 of ``der``.
    """

    der: bytes
    serial: str
    subject_der: bytes
    issuer_der: bytes
    is_ca: bool
    key_usage: int | None
    ekus: tuple[str, ...] | None
    san_der: bytes
    fingerprint: bytes

    @property
    def may_sign_certificates(self) -> bool:
        """CA flag, and keyCertSign where the KeyUsage speaks at all."""
        return self.is_ca and (self.key_usage is None or bool(self.key_usage & _KEY_CERT_SIGN))

    def credential(self) -> Credential:
        """Names for records; whether anyone trusts them is not said."""
        return Credential(
            fingerprint=self.fingerprint,
            serial=self.serial,
            subject=name_text(self.subject_der),
            issuer=name_text(self.issuer_der),
            subject_der=self.subject_der,
            san_der=self.san_der,
            own=False,
        )

    def refused(self, reason: str) -> CertificateRefused:
        """The refusal of this certificate, naming it."""
        return CertificateRefused(
            reason,
            subject=name_text(self.subject_der),
            issuer=name_text(self.issuer_der),
            serial=self.serial,
        )

    def check_client_usage(self) -> None:
        """Is it meant for a client? What it does not mention, it does not forbid (est §3).

        Raises:
            CertificateRefused: wrong_usage.
        """
        self._check_signs_for_itself()
        if self.ekus is not None and not (
            _CLIENT_AUTHENTICATION in self.ekus or _ANY_USAGE in self.ekus
        ):
            raise self.refused("wrong_usage")

    def check_registration_usage(self) -> None:
        """Does it say that it is a registration authority's? Nothing else stands for that.

        Raises:
            CertificateRefused: wrong_usage.
        """
        self._check_signs_for_itself()
        if self.ekus is None or _REGISTRATION_AUTHORITY not in self.ekus:
            raise self.refused("wrong_usage")

    def _check_signs_for_itself(self) -> None:
        if self.is_ca:
            raise self.refused("wrong_usage")
        if self.key_usage is not None and not self.key_usage & _DIGITAL_SIGNATURE:
            raise self.refused("wrong_usage")


class Presented(Walked, frozen=True, kw_only=True):
    """One certificate that the library has read as well.

    Attributes:
        parsed: the same certificate, for times and key.
    """

    parsed: x509.Certificate


# One request asks for its certificate up to three times; nothing about it can change.
@lru_cache(maxsize=256)
def walk_presented(der: bytes) -> Walked:
    """Take a certificate apart, without the library.

    Enough to look it up by, and for one that is on record, octet for octet: the library
    has read it when it was put there, and its record tells its times.

    Raises:
        CertificateRefused: untrusted: too large, not DER, or something in it twice.
    """
    if len(der) > MAX_CERTIFICATE:
        raise CertificateRefused("untrusted")
    try:
        return _walk(der)
    except (DerError, ValueError) as err:
        raise CertificateRefused("untrusted") from err


@lru_cache(maxsize=256)
def read_presented(der: bytes) -> Presented:
    """Take a certificate apart that is about to be trusted: both readers must agree.

    Raises:
        CertificateRefused: untrusted: as ``walk_presented``, or not a certificate.
    """
    walked = walk_presented(der)
    try:
        # The library refuses octets after the end; of a serial that is not positive it
        # would only warn, on the console.
        parsed = x509.load_der_x509_certificate(der)
        if parsed.not_valid_before_utc > parsed.not_valid_after_utc:
            # Reading them is the point: the year 0 passes as DER, and ends here as ValueError.
            raise CertificateRefused("untrusted")
    # InvalidVersion is no ValueError.
    except (ValueError, x509.InvalidVersion) as err:
        raise CertificateRefused("untrusted") from err
    return Presented(**structs.asdict(walked), parsed=parsed)


def _walk(der: bytes) -> Walked:
    fields = read_certificate(der)
    usage = fields.extensions.get(_KEY_USAGE)
    ekus = fields.extensions.get(_EXTENDED_KEY_USAGE)
    return Walked(
        der=der,
        serial=fields.serial,
        subject_der=fields.subject_der,
        issuer_der=fields.issuer_der,
        is_ca=_is_ca(fields.extensions.get(_BASIC_CONSTRAINTS)),
        key_usage=None if usage is None else _usage_bits(usage),
        ekus=None if ekus is None else _usages(ekus),
        san_der=fields.san_der,
        fingerprint=hashlib.sha256(der).digest(),
    )


def _is_ca(value: bytes | None) -> bool:
    if value is None:
        return False
    start, end = _whole(value, SEQUENCE)
    if start == end:
        return False
    tag, content, stop = read(value, start, end)
    return tag == _BOOLEAN and value[content:stop] != b"\x00"


def _usage_bits(value: bytes) -> int:
    start, end = _whole(value, BIT_STRING)
    # The first octet counts unused bits; an empty list is one octet long.
    return value[start + 1] if end > start + 1 else 0


def _usages(value: bytes) -> tuple[str, ...]:
    start, end = _whole(value, SEQUENCE)
    found: list[str] = []
    while start < end:
        oid, start = expect(value, start, end, OBJECT_IDENTIFIER)
        if len(found) == _MAX_USAGES:
            raise DerError("not a list of usages")
        found.append(decode_oid(value[oid:start]))
    return tuple(found)


def _whole(value: bytes, tag: int) -> tuple[int, int]:
    start, end = expect(value, 0, len(value), tag)
    if end != len(value):
        raise DerError("octets after an extension's value")
    return start, end
