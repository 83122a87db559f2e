"""Certificates and requests field by field, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certctl.wire.unreadable import UNREADABLE, quiet

MOST_SHOWN = 2_000


class Field(NamedTuple):
    name: str
    value: str


def certificate_fields(der: bytes) -> list[Field]:
    """What a certificate says; of one that cannot be read in full, what can be."""
    return _readable(lambda: _of_certificate(x509.load_der_x509_certificate(der)))


def request_fields(der: bytes) -> list[Field]:
    """What a PKCS#10 request asked for; values of challenges were removed before it was kept."""
    return _readable(lambda: _of_request(x509.load_der_x509_csr(der))) if der else []


def _readable(fields: Callable[[], Iterator[Field]]) -> list[Field]:
    found: list[Field] = []
    try:
        with quiet():
            found.extend(fields())
    except UNREADABLE as err:
        found.append(Field("Cannot be read", str(err)[:MOST_SHOWN]))
    return found


def _of_request(request: x509.CertificateSigningRequest) -> Iterator[Field]:
    yield Field("Subject", request.subject.rfc4514_string() or "(none)")
    yield Field("Public key", _key(request))
    yield Field("Signature algorithm", _oid_name(request.signature_algorithm_oid))
    yield from _extensions(request.extensions)


def _of_certificate(certificate: x509.Certificate) -> Iterator[Field]:
    yield Field("Version", certificate.version.name)
    yield Field("Serial number", f"{certificate.serial_number:x}")
    yield Field("Signature algorithm", _oid_name(certificate.signature_algorithm_oid))
    yield Field("Issuer", certificate.issuer.rfc4514_string())
    yield Field("Subject", certificate.subject.rfc4514_string() or "(none)")
    yield Field("Not before", f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC")
    yield Field("Not after", f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    yield Field("Public key", _key(certificate))
    yield from _extensions(certificate.extensions)


def _key(of: x509.Certificate | x509.CertificateSigningRequest) -> str:
    try:
        key = of.public_key()
    except UNREADABLE:
        # Certificates of other sources may have any; a request's was read before it was kept.
        if isinstance(of, x509.Certificate):
            return _oid_name(of.public_key_algorithm_oid)
        return "of unknown kind"
    match key:
        case rsa.RSAPublicKey():
            return f"RSA, {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA, {key.curve.name}"
        case _:
            return type(key).__name__.removesuffix("PublicKey")


def _extensions(extensions: x509.Extensions) -> Iterator[Field]:
    for each in extensions:
        critical = " (critical)" if each.critical else ""
        yield Field(_oid_name(each.oid) + critical, _value(each.value)[:MOST_SHOWN])


def _oid_name(oid: x509.ObjectIdentifier) -> str:
    name = getattr(oid, "_name", "Unknown OID")
    return oid.dotted_string if name == "Unknown OID" else f"{name} ({oid.dotted_string})"


def _value(value: x509.ExtensionType) -> str:
    match value:
        case x509.SubjectAlternativeName():
            return ", ".join(_general_name(each) for each in value)
        case x509.KeyUsage():
            return ", ".join(_usages(value))
        case x509.ExtendedKeyUsage():
            return ", ".join(_oid_name(each) for each in value)
        case x509.BasicConstraints():
            length = "" if value.path_length is None else f", path length {value.path_length}"
            return f"CA: {'yes' if value.ca else 'no'}{length}"
        case x509.SubjectKeyIdentifier():
            return value.digest.hex()
        case x509.AuthorityKeyIdentifier():
            return (value.key_identifier or b"").hex()
        case x509.CRLDistributionPoints():
            names = [name for point in value for name in point.full_name or ()]
            return ", ".join(_general_name(each) for each in names)
        case x509.AuthorityInformationAccess():
            return ", ".join(
                f"{_oid_name(each.access_method)}: {_general_name(each.access_location)}"
                for each in value
            )
        case x509.TLSFeature():
            return ", ".join(each.name for each in value)
        case _:
            return value.public_bytes().hex()


def _general_name(name: x509.GeneralName) -> str:
    match name:
        case x509.OtherName():
            return f"otherName {name.type_id.dotted_string}: {name.value.hex()}"
        case x509.DirectoryName():
            return f"dirName: {name.value.rfc4514_string()}"
        case x509.DNSName():
            return f"DNS: {name.value}"
        case x509.UniformResourceIdentifier():
            return f"URI: {name.value}"
        case x509.RFC822Name():
            return f"email: {name.value}"
        case _:
            return f"{type(name).__name__}: {name.value}"


def _usages(usage: x509.KeyUsage) -> Iterator[str]:
    for name in (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    ):
        if getattr(usage, name):
            yield name.replace("_", " ")
