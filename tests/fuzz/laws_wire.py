"""What must hold for any octets that reach a decoder of ``certctl.wire``.

A law takes the input and raises when it is broken. Only the refusals that a decoder
documents are caught; every other exception is a finding. What is accepted must mean what
it says: it is written again to the same octets, or another library reads the same.
"""

from __future__ import annotations

import base64
import warnings
from contextlib import suppress
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.csr import Csr
from certctl.domain.errors import PolicyViolation, RequestMalformed, SignatureWrong
from certctl.domain.keys import load_public_key
from certctl.domain.names import STRING_TAGS, DistinguishedName, check_name
from certctl.domain.plain_text import shown
from certctl.domain.san import GeneralName, SanKind, check_sans
from certctl.trust.presented import read_presented
from certctl.wire.attributes import (
    SECRETS,
    bindings_of,
    decode_attributes,
    requested_extensions,
)
from certctl.wire.basic import BasicCredentials, BasicFault, decode_basic
from certctl.wire.body import decode_body, encode_base64, is_single_line
from certctl.wire.certificate import CertificateTemplate, encode_serial, key_identifier
from certctl.wire.der import (
    BOOLEAN,
    OCTET_STRING,
    SEQUENCE,
    SET,
    DerError,
    children,
    decode_oid,
    encode,
    encode_oid,
)
from certctl.wire.extensions import (
    decode_basic_constraints,
    decode_extended_key_usage,
    decode_extensions,
    decode_key_usage,
)
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import (
    decode_pkcs10,
    repetition_input,
    strip_challenges,
    verify_signature,
)

MAX_NOTE = 1_000
"""Characters of a refusal; a longer one would let a stranger fill logs and records."""

_CODECS = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_TEXT_TAGS = {SanKind.EMAIL: 0x81, SanKind.DNS: 0x82, SanKind.URI: 0x86}
_OPAQUE_TAGS = {
    SanKind.X400_ADDRESS: 0xA3,
    SanKind.DIRECTORY_NAME: 0xA4,
    SanKind.EDI_PARTY_NAME: 0xA5,
    SanKind.REGISTERED_ID: 0x88,
}
_ALLOWED_SANS = ("dns", "ip", "email", "uri", "upn")


def check_refusal(refusal: RequestMalformed | PolicyViolation) -> None:
    """A refusal is short, and safe in a log and on a terminal."""
    for value in refusal.details().values():
        text = str(value)
        assert len(text) <= MAX_NOTE, f"{len(text)} characters in a refusal"
        assert text.isprintable(), f"unprintable refusal {text!r}"


def body(data: bytes) -> None:
    is_single_line(data)
    try:
        octets = decode_body(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    if data[:1] == b"\x30":
        assert octets is data
        return
    if b"-----BEGIN" not in data:
        assert octets == base64.b64decode(bytes(c for c in data if c not in b" \t\r\n"))
    if octets[:1] == b"\x30":
        for wrapped in (True, False):
            text = encode_base64(octets, wrapped=wrapped)
            assert decode_body(text) == octets
            assert is_single_line(text) is (text.count(b"\n") == 1)


def basic(data: bytes) -> None:
    # uvicorn and our own edge give header values as Latin-1 text.
    found = decode_basic(data.decode("latin-1"))
    if isinstance(found, BasicFault):
        return
    assert found.password
    text = f"{found.user}:{found.password}"
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in text)
    assert ":" not in found.user
    assert repr(found) == f"BasicCredentials(user={found.user!r})"
    again = decode_basic("Basic " + base64.b64encode(text.encode()).decode())
    assert again == BasicCredentials(user=found.user, password=found.password)


def der(data: bytes) -> None:
    with suppress(DerError):
        values = children(data, 0, len(data), most=len(data))
        assert b"".join(encode(tag, data[at:end]) for tag, _, at, end in values) == data
    with suppress(DerError):
        assert encode_oid(decode_oid(data)) == encode(0x06, data)


def oid_text(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(DerError):
        content = encode_oid(text)
        start = 2 if content[1] < 0x80 else 2 + (content[1] & 0x7F)
        if len(content) - start <= 64:
            assert decode_oid(content[start:]) == text


def names(data: bytes) -> None:
    try:
        name = decode_name(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    assert encode_name(name) == data
    assert name.text().isprintable()
    assert shown(name.common_name() or "").isprintable()
    with suppress(PolicyViolation):
        check_name(name)


def encode_name(name: DistinguishedName) -> bytes:
    """The octets of which a name was read, from its value alone."""
    return encode(
        SEQUENCE,
        *(
            encode(
                SET,
                *(
                    encode(SEQUENCE, encode_oid(one.oid), _string(one.tag, one.text))
                    for one in rdn
                ),
            )
            for rdn in name.rdns
        ),
    )


def _string(tag: int, text: str) -> bytes:
    if tag not in STRING_TAGS:
        return bytes.fromhex(text[1:])
    return encode(tag, text.encode(_CODECS.get(tag, "utf-8")))


def general_names(data: bytes) -> None:
    try:
        found = decode_general_names(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    assert encode(SEQUENCE, *map(_general_name, found)) == data
    assert all(str(name).isprintable() for name in found)
    try:
        check_sans(found, allowed=_ALLOWED_SANS, most=1_000)
    except PolicyViolation as refused:
        check_refusal(refused)


def _general_name(name: GeneralName) -> bytes:
    kind, value = name.kind, name.value
    if kind in _TEXT_TAGS:
        return encode(_TEXT_TAGS[kind], value.encode("ascii"))
    if kind is SanKind.IP:
        return encode(0x87, ip_address(value).packed)
    if kind in _OPAQUE_TAGS:
        return encode(_OPAQUE_TAGS[kind], bytes.fromhex(value[1:]))
    if kind is SanKind.UPN:
        oid, inner = "1.3.6.1.4.1.311.20.2.3", encode(0x0C, value.encode())
    elif kind is SanKind.HARDWARE_MODULE:
        oid, inner = "1.3.6.1.5.5.7.8.4", bytes.fromhex(value[1:])
    else:
        oid, _, text = value.partition(";#")
        inner = bytes.fromhex(text)
    return encode(0xA0, encode_oid(oid), encode(0xA0, inner))


def extensions(data: bytes) -> None:
    for look_into in (decode_key_usage, decode_basic_constraints):
        with suppress(DerError):
            look_into(data)
    with suppress(DerError):
        purposes = decode_extended_key_usage(data)
        assert encode(SEQUENCE, *map(encode_oid, purposes)) == data
    try:
        found = decode_extensions(data)
    except DerError:
        return
    flag = encode(BOOLEAN, b"\xff")
    again = [
        encode(
            SEQUENCE,
            encode_oid(one.oid),
            flag if one.critical else b"",
            encode(OCTET_STRING, one.value),
        )
        for one in found
    ]
    assert encode(SEQUENCE, *again) == data


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
            check_sans(decode_general_names(csr.san_der), allowed=_ALLOWED_SANS, most=1_000)
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


def public_key(data: bytes) -> None:
    try:
        key = load_public_key(data)
    except PolicyViolation as refused:
        check_refusal(refused)
        return
    assert key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == data


