"""A certificate as bytes: what is the same in all of one issuer's is encoded once.

RFC 5280 §4.1. The subject, the public key and the SANs go in as the octets they came
in, so nothing is read and written again on the way from request to certificate. The
caller answers for *what* is certified (policy §3); this module never chooses a name, a
key or a lifetime, and never signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from certctl.wire.der import (
    BIT_STRING,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    encode,
    encode_oid,
    expect,
)
from certctl.wire.pointers import (
    NO_POINTERS,
    Pointers,
    encode_distribution_points,
    encode_information_access,
)
from certctl.wire.times import encode_time

EMPTY_NAME = b"\x30\x00"
SERIAL_RANDOM_OCTETS = 16
"""RFC 5280 §4.1.2.2 allows no more, and policy §3 wants all of them."""

_EXTENSIONS = 0xA3
_AKI_KEY_IDENTIFIER = 0x80

_VERSION_3 = bytes.fromhex("a003020102")
_SERIAL_HEAD = b"\x02\x14"
_TRUE = b"\x01\x01\xff"

# The content octets of the two algorithm identifiers that change the key usage.
_RSA_ENCRYPTION = encode_oid("1.2.840.113549.1.1.1")[2:]
_EC_PUBLIC_KEY = encode_oid("1.2.840.10045.2.1")[2:]

_AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
_CRL_DISTRIBUTION_POINTS = "2.5.29.31"
_FRESHEST_CRL = "2.5.29.46"
_AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1"


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """One Extension (DER) around the DER of its value."""
    flag = _TRUE if critical else b""
    return encode(SEQUENCE, encode_oid(dotted), flag, encode(OCTET_STRING, value))


_BASIC_CONSTRAINTS = extension("2.5.29.19", b"\x30\x00", critical=True)

# KeyUsage is a named bit list: trailing zero bits are cut off (X.690 §11.2.2).
_DIGITAL_SIGNATURE = extension("2.5.29.15", bytes.fromhex("03020780"), critical=True)
_AND_KEY_ENCIPHERMENT = extension("2.5.29.15", bytes.fromhex("030205a0"), critical=True)
_AND_KEY_AGREEMENT = extension("2.5.29.15", bytes.fromhex("03020388"), critical=True)

_OCSP_NO_CHECK = extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")
# RFC 7633 §4.1: a SEQUENCE of TLS extension numbers; 5 is status_request (RFC 6066 §8).
_MUST_STAPLE = extension("1.3.6.1.5.5.7.1.24", bytes.fromhex("3003020105"))

# SubjectKeyIdentifier always holds 20 octets, so all but those is fixed.
_SKI_HEAD = bytes.fromhex("301d0603551d0e04160414")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTemplate:
    """What all end-entity certificates of one issuer have in common.

    Attributes:
        algorithm_der: AlgorithmIdentifier of the issuer's signatures.
        issuer_der: Name (DER) exactly as the subject of the CA certificate.
        authority_key_id: the extension that names the CA's key, ready encoded.
        pointers: the extensions CDP and AIA, ready encoded; or empty for none.
    """

    algorithm_der: bytes
    issuer_der: bytes
    authority_key_id: bytes
    pointers: bytes

    @classmethod
    def of_issuer(
        cls,
        *,
        algorithm_der: bytes,
        issuer_der: bytes,
        key_identifier: bytes,
        pointers: Pointers = NO_POINTERS,
    ) -> CertificateTemplate:
        """Template of the CA whose SubjectKeyIdentifier is ``key_identifier``."""
        named = encode(SEQUENCE, encode(_AKI_KEY_IDENTIFIER, key_identifier))
        return cls(
            algorithm_der=algorithm_der,
            issuer_der=issuer_der,
            authority_key_id=extension(_AUTHORITY_KEY_IDENTIFIER, named),
            pointers=_pointer_extensions(pointers),
        )

    def to_be_signed(
        self,
        *,
        serial: bytes,
        not_before: int,
        not_after: int,
        subject_der: bytes,
        spki_der: bytes,
        san_der: bytes,
        key_agreement: bool,
        ekus: Sequence[str],
        status_signer: bool = False,
        must_staple: bool = False,
    ) -> bytes:
        """TBSCertificate (DER) of an end entity, RFC 5280 §4.1.

        Args:
            serial: twenty octets as ``encode_serial`` makes them.
            not_before: seconds since the epoch.
            not_after: seconds since the epoch.
            subject_der: Name.
            spki_der: SubjectPublicKeyInfo.
            san_der: GeneralNames, or empty for none.
            key_agreement: also allow keyAgreement; only heeded for EC keys.
            ekus: dotted OIDs; none leaves the extension out.
            status_signer: of an OCSP responder: its key only signs, and nobody asks for
                the status of who answers for the status (RFC 6960 §4.2.2.2.1).
            must_staple: with the TLS feature ``status_request`` (RFC 7633 §4).

        Raises:
            DerError: ``spki_der`` is not a SubjectPublicKeyInfo, or an EKU is no OID.
        """
        algorithm, key_bits = _open_public_key(spki_der)
        if status_signer:
            key_usage = _DIGITAL_SIGNATURE
        elif algorithm == _RSA_ENCRYPTION:
            key_usage = _AND_KEY_ENCIPHERMENT
        elif key_agreement and algorithm == _EC_PUBLIC_KEY:
            key_usage = _AND_KEY_AGREEMENT
        else:
            key_usage = _DIGITAL_SIGNATURE
        # RFC 5280 §4.2.1.6: with an empty subject the names stand in the SAN alone.
        names = _san_extension(san_der, critical=subject_der == EMPTY_NAME) if san_der else b""
        extensions = (
            _BASIC_CONSTRAINTS
            + key_usage
            + _eku_extension(tuple(ekus))
            + names
            + _SKI_HEAD
            + _digest_key_bits(key_bits)
            + self.authority_key_id
            + (_OCSP_NO_CHECK if status_signer else self.pointers)
            + (_MUST_STAPLE if must_staple else b"")
        )
        return encode(
            SEQUENCE,
            _VERSION_3,
            _SERIAL_HEAD,
            serial,
            self.algorithm_der,
            self.issuer_der,
            _validity(not_before, not_after),
            subject_der,
            spki_der,
            encode(_EXTENSIONS, encode(SEQUENCE, extensions)),
        )

    def seal(self, to_be_signed: bytes, signature: bytes) -> bytes:
        """Certificate (DER) of a TBSCertificate and the issuer's signature over it."""
        return encode(
            SEQUENCE, to_be_signed, self.algorithm_der, encode(BIT_STRING, b"\x00", signature)
        )


def key_identifier(spki_der: bytes) -> bytes:
    """RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the key's bits.

    Raises:
        DerError: not a SubjectPublicKeyInfo.
    """
    return _digest_key_bits(_open_public_key(spki_der)[1])


def public_key_bits(spki_der: bytes) -> bytes:
    """Octets of the key's BIT STRING, which the hashes of key identifiers are over.

    Raises:
        DerError: not a SubjectPublicKeyInfo.
    """
    return _open_public_key(spki_der)[1]


def encode_serial(seconds: int, random: bytes) -> bytes:
    """A serial number of twenty octets, always positive: time first, then chance.

    The first two bits are 01: never negative, never shorter. Thirty bits of time in
    steps of four seconds (until 2106) make numbers rise, so that an index of them grows
    at one end; notBefore tells the time anyway. 128 bits of chance follow.
    """
    if len(random) != SERIAL_RANDOM_OCTETS:
        raise ValueError(f"{SERIAL_RANDOM_OCTETS} random octets are needed")
    return (0x4000_0000 | seconds >> 2 & 0x3FFF_FFFF).to_bytes(4, "big") + random


@lru_cache(maxsize=64)
def _validity(not_before: int, not_after: int) -> bytes:
    return encode(SEQUENCE, encode_time(not_before), encode_time(not_after))


@lru_cache(maxsize=64)
def _eku_extension(ekus: tuple[str, ...]) -> bytes:
    if not ekus:
        return b""
    return extension("2.5.29.37", encode(SEQUENCE, *map(encode_oid, ekus)))


def _pointer_extensions(pointers: Pointers) -> bytes:
    written = b""
    if pointers.crl_url is not None:
        points = encode_distribution_points(pointers.crl_url)
        written += extension(_CRL_DISTRIBUTION_POINTS, points)
    if pointers.freshest_url is not None:
        # RFC 5280 §4.2.1.15: not critical, for who knows no delta CRLs reads the full one.
        written += extension(_FRESHEST_CRL, encode_distribution_points(pointers.freshest_url))
    if pointers.ocsp_url is not None or pointers.ca_url is not None:
        access = encode_information_access(ocsp_url=pointers.ocsp_url, ca_url=pointers.ca_url)
        written += extension(_AUTHORITY_INFORMATION_ACCESS, access)
    return written


def _san_extension(san_der: bytes, *, critical: bool) -> bytes:
    return extension("2.5.29.17", san_der, critical=critical)


def _open_public_key(spki_der: bytes) -> tuple[bytes, bytes]:
    """(content octets of the algorithm's OID, octets of the key's BIT STRING)."""
    start, end = expect(spki_der, 0, len(spki_der), SEQUENCE)
    inner, inner_end = expect(spki_der, start, end, SEQUENCE)
    oid, oid_end = expect(spki_der, inner, inner_end, OBJECT_IDENTIFIER)
    bits, bits_end = expect(spki_der, inner_end, end, BIT_STRING)
    if end != len(spki_der) or bits_end != end or bits == bits_end or spki_der[bits]:
        raise DerError("not a SubjectPublicKeyInfo")
    return spki_der[oid:oid_end], spki_der[bits + 1 : bits_end]


def _digest_key_bits(key_bits: bytes) -> bytes:
    return hashlib.sha256(key_bits).digest()[:20]
