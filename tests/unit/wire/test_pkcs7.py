"""Certs-only answers, read by the library and by openssl."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    load_der_pkcs7_certificates,
    serialize_certificates,
)
from cryptography.x509.oid import NameOID

from certctl.wire.pkcs7 import certs_only
from tests.unit.wire.openssl import openssl

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(common_name: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(KEY.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return builder.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC)).sign(KEY, hashes.SHA256())


CHAIN = [certificate(name) for name in ("a-device-of-a-long-name", "issuing", "root")]
DERS = [one.public_bytes(Encoding.DER) for one in CHAIN]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_octets_are_those_of_the_library(count):
    assert certs_only(DERS[:count]) == serialize_certificates(CHAIN[:count], Encoding.DER)


@pytest.mark.parametrize("count", [1, 3])
def test_the_library_reads_the_certificates_back(count):
    found = load_der_pkcs7_certificates(certs_only(DERS[:count]))
    assert set(found) == set(CHAIN[:count])
    assert len(found) == count


def test_openssl_prints_exactly_the_issued_certificate():
    pem = openssl("pkcs7", "-inform", "DER", "-print_certs", given=certs_only(DERS[:1]))
    assert pem.count(b"BEGIN CERTIFICATE") == 1
    assert x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN") :]) == CHAIN[0]


def test_openssl_finds_no_content_no_crl_and_no_signer():
    text = openssl(
        "cms", "-cmsout", "-print", "-noout", "-inform", "DER", given=certs_only(DERS)
    ).decode()
    assert "pkcs7-signedData" in text
    assert text.count("d.certificate:") == 3
    for part in ("eContent:", "crls:", "signerInfos:", "digestAlgorithms:"):
        assert part in text
        after = text.split(part, 1)[1].strip().splitlines()[0].strip()
        assert after in {"<EMPTY>", "<ABSENT>"}, part
    assert text.split("crls:", 1)[1].split()[0] == "<ABSENT>"
