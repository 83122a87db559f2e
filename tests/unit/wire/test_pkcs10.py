"""Requests of every common kind are read completely, and their signatures judged."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.csr import KeyUsage
from certctl.domain.errors import PolicyViolation, SignatureWrong
from certctl.domain.keys import describe_key
from certctl.wire.body import decode_body
from certctl.wire.der import BIT_STRING, OCTET_STRING, SEQUENCE, encode
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import decode_pkcs10, verify_signature
from tests.unit.wire import forge
from tests.unit.wire.openssl import make_request

RSA = rsa.generate_private_key(65537, 2048)
OTP = "1.2.840.113549.1.9.16.2.56"
COMPRESSION = "1.2.840.113549.1.9.16.2.43"

FULL = """
[req]
distinguished_name=dn
req_extensions=ext
attributes=more
prompt=no
utf8=yes
[dn]
C=DE
O=Gerätewerk
CN=device-1
[ext]
subjectAltName=DNS:device-1.example,IP:192.0.2.7,URI:urn:dev:1
keyUsage=critical,digitalSignature,keyAgreement
extendedKeyUsage=clientAuth
basicConstraints=CA:FALSE
[more]
challengePassword=a line from a person
"""


@pytest.mark.parametrize(
    ("options", "described"),
    [
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "ECDSA-256"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"), "ECDSA-384"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"), "ECDSA-521"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha3-256"), "ECDSA-256"),
        (("-newkey", "rsa:2048"), "RSA-2048"),
        (("-newkey", "rsa:2048", "-sha384"), "RSA-2048"),
        (("-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss"), "RSA-2048"),
        (("-newkey", "ed25519"), "Ed25519"),
        (("-newkey", "ed448"), "Ed448"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_requests_of_openssl_are_read_and_verified(tmp_path, options, described):
    csr = decode_pkcs10(decode_body(make_request(tmp_path, *options)))
    verify_signature(csr)
    assert str(describe_key(csr.public_key)) == described


@pytest.mark.parametrize(
    "key",
    [
        mldsa.MLDSA44PrivateKey.generate(),
        mldsa.MLDSA65PrivateKey.generate(),
        mldsa.MLDSA87PrivateKey.generate(),
        ed25519.Ed25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
    ],
    ids=lambda key: type(key).__name__,
)
def test_keys_that_hash_for_themselves_are_verified_and_spoiled_ones_are_not(key):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = builder.sign(key, None).public_bytes(Encoding.DER)
    verify_signature(decode_pkcs10(der))
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der[:-1] + bytes((der[-1] ^ 1,))))


def test_every_part_of_a_full_request_is_found(tmp_path):
    pem = make_request(tmp_path, "-newkey", "rsa:2048", config=FULL, text=True)
    csr = decode_pkcs10(decode_body(pem))
    verify_signature(csr)
    assert decode_name(csr.subject_der).text() == "CN=device-1,O=Gerätewerk,C=DE"
    read = x509.load_pem_x509_csr(pem)
    assert csr.subject_der == read.subject.public_bytes()
    assert csr.public_key == read.public_key()
    assert csr.signed == read.tbs_certrequest_bytes
    assert csr.signature == read.signature
    assert csr.der == read.public_bytes(Encoding.DER)
    sans = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert csr.san_der == sans.value.public_bytes()
    assert [(e.oid, e.critical, e.value) for e in csr.extensions] == [
        (e.oid.dotted_string, e.critical, e.value.public_bytes()) for e in read.extensions
    ]
    assert csr.ekus == (forge.CLIENT_AUTH,)
    assert csr.key_usage == {KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_AGREEMENT}
    assert csr.wants_ca is False
    assert csr.bindings == ((forge.CHALLENGE, "a line from a person"),)


def test_a_bare_request_asks_for_nothing():
    csr = decode_pkcs10(forge.request())
    assert (csr.attributes, csr.extensions, csr.bindings) == ((), (), ())
    assert (csr.san_der, csr.ekus, csr.key_usage, csr.wants_ca) == (b"", (), frozenset(), False)
    assert (csr.subject_der, csr.spki_der) == (forge.DEVICE, forge.SPKI)
    verify_signature(csr)


def test_extensions_in_microsofts_attribute_count_the_same():
    san = forge.sans(forge.dns("a.example"))
    ours = decode_pkcs10(forge.request(forge.extensions(san)))
    theirs = decode_pkcs10(forge.request(forge.extensions(san, oid=forge.MICROSOFT)))
    assert theirs.extensions == ours.extensions
    assert theirs.san_der == ours.san_der != b""


def test_a_long_common_name_and_an_empty_subject_are_no_warning():
    long = "d" * 200
    csr = decode_pkcs10(forge.request(subject=forge.name((forge.CN, long))))
    assert decode_name(csr.subject_der).common_name() == long
    assert decode_pkcs10(forge.request(subject=b"\x30\x00")).subject_der == b"\x30\x00"


@pytest.mark.parametrize(
    ("value", "wants_ca"),
    [
        (b"", False),
        (b"\x01\x01\xff", True),
        (b"\x01\x01\xff\x02\x01\x00", True),
        (b"\x02\x01\x00", True),
    ],
)
def test_any_power_of_a_ca_is_seen(value, wants_ca):
    constraints = forge.extension("2.5.29.19", encode(SEQUENCE, value), critical=True)
    assert decode_pkcs10(forge.request(forge.extensions(constraints))).wants_ca is wants_ca


@pytest.mark.parametrize("place", range(9))
def test_each_key_usage_bit_is_seen_as_itself(place):
    bits = (1 << (15 - place)).to_bytes(2, "big")
    octets = bits[:1] if place < 8 else bits
    unused = 7 - place % 8
    value = forge.extension("2.5.29.15", encode(BIT_STRING, bytes((unused,)), octets))
    csr = decode_pkcs10(forge.request(forge.extensions(value)))
    assert csr.key_usage == {tuple(KeyUsage)[place]}


@pytest.mark.parametrize(
    ("oid", "value", "text"),
    [
        (forge.CHALLENGE, encode(0x0C, b"text"), "text"),
        (forge.CHALLENGE, encode(0x13, b"text"), "text"),
        (forge.CHALLENGE, encode(0x16, b"text"), "text"),
        (forge.CHALLENGE, encode(0x14, b"t\xe9xt"), "t\xe9xt"),
        (forge.CHALLENGE, encode(0x1E, "text".encode("utf-16-be")), "text"),
        (forge.LINKING, encode(0x0C, b"link"), "link"),
        (OTP, encode(OCTET_STRING, b"\x01" * 32), base64.b64encode(b"\x01" * 32).decode()),
        (COMPRESSION, encode(OCTET_STRING, bytes(32)), base64.b64encode(bytes(32)).decode()),
    ],
)
def test_whatever_may_bind_to_the_connection_is_given(oid, value, text):
    csr = decode_pkcs10(forge.request(forge.attribute(oid, value)))
    assert csr.bindings == ((oid, text),)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        (OTP, encode(0x0C, b"A" * 32)),
        (OTP, encode(OCTET_STRING, b"A" * 31)),
        (COMPRESSION, encode(SEQUENCE)),
        ("1.2.840.113549.1.9.16.2.57", encode(0x0C, b"revoke me")),
        ("1.2.840.113549.1.9.2", encode(0x0C, b"unstructured")),
    ],
)
def test_what_other_standards_mean_is_no_binding(oid, value):
    assert decode_pkcs10(forge.request(forge.attribute(oid, value))).bindings == ()


def test_a_signature_of_another_key_does_not_hold():
    other = ec.generate_private_key(ec.SECP256R1())
    signed = forge.info()
    signature = other.sign(signed, ec.ECDSA(hashes.SHA256()))
    der = encode(SEQUENCE, signed, forge.ECDSA_SHA256, encode(BIT_STRING, b"\x00", signature))
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der))


def test_a_changed_name_breaks_the_signature():
    der = forge.request()
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der.replace(b"device-1", b"device-2")))


@pytest.mark.parametrize(
    "options",
    [
        ("-newkey", "rsa:2048", "-sha1"),
        ("-newkey", "rsa:2048", "-md5"),
        ("-newkey", "rsa:2048", "-sha1", "-sigopt", "rsa_padding_mode:pss"),
        ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha1"),
    ],
    ids=" ".join,
)
def test_worthless_digests_count_as_wrong(tmp_path, options):
    der = make_request(tmp_path, *options)
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der))


@pytest.mark.parametrize(
    "algorithm",
    [
        pytest.param("300d06092a864886f70d01010b0500", id="RSA with an EC key"),
        pytest.param("300506032b6570", id="Ed25519 with an EC key"),
        pytest.param("300406022a03", id="unknown"),
        pytest.param("300a06082a8648ce3d040303", id="SHA-384 over what SHA-256 signed"),
    ],
)
def test_an_algorithm_that_does_not_fit_counts_as_wrong(algorithm):
    der = forge.sealed(forge.info(), algorithm=bytes.fromhex(algorithm))
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der))


def test_an_ed25519_key_with_an_ecdsa_signature_counts_as_wrong():
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    spki = bytes.fromhex("302a300506032b6570032100") + key.public_bytes_raw()
    with pytest.raises(SignatureWrong) as caught:
        verify_signature(decode_pkcs10(forge.request(spki=spki)))
    assert caught.value.details()["reason"] == "csr_signature"


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA512()], ids=lambda d: d.name)
def test_pss_is_verified_and_a_spoiled_one_does_not_hold(digest):
    pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = builder.sign(RSA, digest, rsa_padding=pss).public_bytes(Encoding.DER)
    verify_signature(decode_pkcs10(der))
    with pytest.raises(SignatureWrong):
        verify_signature(decode_pkcs10(der[:-1] + bytes((der[-1] ^ 1,))))


def test_a_giant_rsa_key_is_refused_before_it_is_used():
    modulus = encode(0x02, b"\x00" + b"\xff" * 2048)
    numbers = encode(SEQUENCE, modulus, b"\x02\x03\x01\x00\x01")
    spki = encode(
        SEQUENCE,
        bytes.fromhex("300d06092a864886f70d0101010500"),
        encode(BIT_STRING, b"\x00", numbers),
    )
    csr = decode_pkcs10(forge.request(spki=spki))
    with pytest.raises(PolicyViolation) as caught:
        verify_signature(csr)
    assert caught.value.dimension == "key_size"
