"""Keys and CSRs as a client makes them (RFC 2986), bound to a connection where asked (RFC 9266).

The exporter goes base64 into ``challengePassword`` (RFC 7030 §3.5) or, as our csrattrs
prefer, ``estIdentityLinking`` (RFC 7894 §3.3); servers of ours take both.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import AttributeOID, NameOID

from certctl.client.failures import BadInput
from certctl.domain.plain_text import shown
from certctl.wire.unreadable import UNREADABLE

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


class NewKey(StrEnum):
    """Kinds of keys that are made here."""

    P256 = "p256"
    P384 = "p384"
    P521 = "p521"
    ED25519 = "ed25519"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The names a certificate is to hold."""

    subject: x509.Name
    sans: tuple[x509.GeneralName, ...] = ()

    @classmethod
    def of(cls, common_name: str, sans: Sequence[str]) -> Wanted:
        """From words: a common name, and SANs like ``DNS:a.example``, ``IP:192.0.2.1``,
        ``URI:…``, ``EMAIL:…``; one without a kind is an address or a DNS name.

        Raises:
            BadInput: a value that stands in no certificate.
        """
        try:
            parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
            return cls(subject=x509.Name(parts), sans=tuple(map(_san, sans)))
        except ValueError as err:
            raise BadInput(f"The name cannot be used: {shown(str(err))}.") from err

    @classmethod
    def as_in(cls, certificate: x509.Certificate) -> Wanted:
        """The names of a certificate, for its renewal (RFC 7030 §4.2.2)."""
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return cls(subject=certificate.subject)
        return cls(subject=certificate.subject, sans=tuple(found.value))


def make_key(kind: NewKey) -> PrivateKey:
    """A fresh private key from the system's randomness."""
    match kind:
        case NewKey.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case NewKey.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case NewKey.P521:
            return ec.generate_private_key(ec.SECP521R1())
        case NewKey.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case rsa_kind:
            return rsa.generate_private_key(65_537, int(rsa_kind.value.removeprefix("rsa")))


def make_csr(wanted: Wanted, key: PrivateKey, *, exporter: bytes | None = None) -> bytes:
    """A PKCS#10 request (DER), bound to a connection by its exporter where one is given.

    Raises:
        BadInput: no name at all.
    """
    if not wanted.subject.rdns and not wanted.sans:
        raise BadInput("The request has no name.", "Give --cn, --san or --csr.")
    builder = x509.CertificateSigningRequestBuilder().subject_name(wanted.subject)
    if wanted.sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted.sans), critical=False)
    if exporter is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, base64.b64encode(exporter))
    return builder.sign(key, _digest(key)).public_bytes(serialization.Encoding.DER)


def private_key_pem(key: PrivateKey) -> bytes:
    """PKCS#8 in PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_private_key(pem: bytes, name: str) -> PrivateKey:
    """A private key of a file called ``name``.

    Raises:
        BadInput: unreadable, encrypted, or of another kind.
    """
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise BadInput(f"{name} holds no key that can be used.", "PEM, unencrypted.") from err
    if not isinstance(key, PrivateKey):
        raise BadInput(f"{name} holds a key that signs no request.")
    return key


def read_csr(data: bytes, name: str) -> bytes:
    """A PKCS#10 request (DER) from PEM or DER.

    Raises:
        BadInput: neither.
    """
    try:
        pem = b"-----BEGIN" in data
        csr = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
    except UNREADABLE as err:
        raise BadInput(
            f"{name} holds no PKCS#10 request.",
            "Make one: openssl req -new -key device.key -subj /CN=NAME -out device.csr",
        ) from err
    return csr.public_bytes(serialization.Encoding.DER)


def _san(text: str) -> x509.GeneralName:
    kind, colon, value = text.partition(":")
    match kind.upper() if colon else "":
        case "DNS":
            return x509.DNSName(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "URI":
            return x509.UniformResourceIdentifier(value)
        case "EMAIL":
            return x509.RFC822Name(value)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _digest(key: PrivateKey) -> hashes.SHA256 | None:
    return (
        hashes.SHA256()
        if isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
        else None
    )
