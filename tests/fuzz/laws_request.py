"""What must hold for any octets that are taken for a certificate request, its parts, and
the certificate that is made of it. ``cryptography`` reads the same octets as the judge.
"""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.csr import Csr
from certctl.domain.errors import PolicyViolation, RequestMalformed, SignatureWrong
from certctl.domain.names import check_name
from certctl.domain.san import SanKind, check_sans
from certctl.trust.presented import read_presented
from certctl.wire.attributes import (
    SECRETS,
    bindings_of,
    decode_attributes,
    requested_extensions,
)
from certctl.wire.certificate import CertificateTemplate, encode_serial, key_identifier
from certctl.wire.der import SEQUENCE, SET, DerError, encode, encode_oid
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import (
    decode_pkcs10,
    repetition_input,
    strip_challenges,
    verify_signature,
)
from tests.fuzz.laws_wire import ALLOWED_SANS, check_refusal


def attributes(data: bytes) -> None:
    try:
        found = decode_attributes(data, 0, len(data))
        assert b"".join(one.der for one in found) == data
        again = [encode(SEQUENCE, encode_oid(one.oid), encode(SET, *one.values)) for one in found]
        assert again == [one.der for one in found]
        requested_extensions(found)
        bindings_of(found)
    except RequestMalformed as refused:
        check_refusal(refused)
    except DerError:
        return


def read_request(data: bytes) -> Csr | None:
    """The request, or None when it was refused in a documented way."""
    try:
        return decode_pkcs10(data)
    except (RequestMalformed, PolicyViolation) as refused:
        check_refusal(refused)
        return None


def pkcs10(data: bytes) -> None:
    csr = read_request(data)
    if csr is None:
        return
    _agrees_with_library(csr)
    stripped = decode_pkcs10(strip_challenges(csr))
    assert not SECRETS & {one.oid for one in stripped.attributes}
    assert stripped.subject_der == csr.subject_der
    assert stripped.spki_der == csr.spki_der
    assert stripped.extensions == csr.extensions
    assert repetition_input(stripped) == repetition_input(csr)


def _agrees_with_library(csr: Csr) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = x509.load_der_x509_csr(csr.der)
        assert other.tbs_certrequest_bytes == csr.signed
        assert other.signature == csr.signature
        key = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert key == csr.spki_der
        try:
            extensions = other.extensions
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return  # stricter about values of extensions that we only name
    assert [one.oid.dotted_string for one in extensions] == [one.oid for one in csr.extensions]
    assert [one.critical for one in extensions] == [one.critical for one in csr.extensions]
    for one in extensions:
        match one.value:
            case x509.ExtendedKeyUsage():
                assert tuple(oid.dotted_string for oid in one.value) == csr.ekus
            case x509.BasicConstraints():
                assert csr.wants_ca or not one.value.ca
            case x509.SubjectAlternativeName():
                _same_names(one.value, csr.san_der)


def _same_names(library: x509.SubjectAlternativeName, san_der: bytes) -> None:
    try:
        ours = decode_general_names(san_der)
    except RequestMalformed:
        return
    for kind, theirs in (
        (SanKind.DNS, x509.DNSName),
        (SanKind.EMAIL, x509.RFC822Name),
        (SanKind.URI, x509.UniformResourceIdentifier),
        (SanKind.IP, x509.IPAddress),
    ):
        read = [str(name.value) for name in library if isinstance(name, theirs)]
        assert read == [name.value for name in ours if name.kind is kind]


def signature(data: bytes) -> None:
    """Our verdict is the library's, less what digests and sizes forbid."""
    csr = read_request(data)
    if csr is None:
        return
    try:
        verify_signature(csr)
    except (SignatureWrong, PolicyViolation) as refused:
        check_refusal(refused)
    else:
        assert x509.load_der_x509_csr(csr.der).is_signature_valid


_TEMPLATE = CertificateTemplate.of_issuer(
    algorithm_der=bytes.fromhex("300a06082a8648ce3d040302"),
    issuer_der=bytes.fromhex("300d310b300906035504030c024341"),
    key_identifier=b"\x01" * 20,
)


def certificate(data: bytes) -> None:
    """What policy lets through becomes a certificate that everybody can read."""
    csr = read_request(data)
    if csr is None:
        return
    try:
        check_name(decode_name(csr.subject_der))
        if csr.san_der:
            check_sans(decode_general_names(csr.san_der), allowed=ALLOWED_SANS, most=1_000)
    except (RequestMalformed, PolicyViolation) as refused:
        check_refusal(refused)
        return
    for oid in csr.ekus:
        encode_oid(oid)
    issued = _TEMPLATE.seal(
        _TEMPLATE.to_be_signed(
            serial=encode_serial(1_800_000_000, bytes(16)),
            not_before=1_800_000_000,
            not_after=1_900_000_000,
            subject_der=csr.subject_der,
            spki_der=csr.spki_der,
            san_der=csr.san_der,
            key_agreement=True,
            ekus=csr.ekus,
        ),
        b"\x30\x06\x02\x01\x01\x02\x01\x01",
    )
    parsed = x509.load_der_x509_certificate(issued)
    assert parsed.public_bytes(Encoding.DER) == issued
    spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert spki == csr.spki_der
    by_type = {type(one.value): one for one in parsed.extensions}
    assert not by_type[x509.BasicConstraints].value.ca
    ski = by_type[x509.SubjectKeyIdentifier].value
    assert isinstance(ski, x509.SubjectKeyIdentifier)
    assert ski.digest == key_identifier(csr.spki_der)
    if csr.san_der:
        assert by_type[x509.SubjectAlternativeName].critical is (csr.subject_der == b"\x30\x00")
    if len(issued) < 32 * 1024:
        presented = read_presented(issued)
        assert presented.subject_der == csr.subject_der
        assert presented.san_der == csr.san_der
        assert presented.ekus == (csr.ekus or None)
        assert not presented.is_ca
