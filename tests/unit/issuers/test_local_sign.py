"""Certificates of the local CA beside those of the library's own builder."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import IssuerUnavailable, PolicyViolation
from certctl.domain.ports import Terms
from certctl.issuers.local import LocalCA
from certctl.issuers.local_files import make_certificate
from certctl.issuers.signers.file import FileSigner, KeyType, make_key
from certctl.wire.certificate import EMPTY_NAME, key_identifier
from tests.unit.issuers.orders import CLIENT_AUTH, SERVER_AUTH, order, spki_of
from tests.unit.trust.pki import NOW, NOW_US, ec_key, make_ca

RANDOM = bytes(range(0x90, 0xA0))
SERIAL = (0x4000_0000 | NOW_US // SECOND_US >> 2) << 128 | int.from_bytes(RANDOM, "big")
SAN = x509.SubjectAlternativeName(
    [
        x509.DNSName("b.example"),
        x509.DNSName("a.example"),
        x509.UniformResourceIdentifier("urn:dev:1"),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x03a@b"),
    ]
)
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Würth & Söhne"),
        x509.NameAttribute(NameOID.COMMON_NAME, "device"),
    ]
)

CA_KEYS = {
    kind: make_key(kind) for kind in (KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519)
}
SUBJECT_KEYS = {
    "ec": ec_key(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def local_ca(key, now_us=NOW_US, **settings: Any):
    settings.setdefault("random", lambda count: RANDOM[:count])
    certificate = make_certificate(key, "iss-local", now_us, lambda count: b"\x01" * count)
    return LocalCA(
        issuer_id="iss-local",
        signer=FileSigner(key),
        chain=[certificate.public_bytes(Encoding.DER)],
        **settings,
    )


def sign(ca, wanted, *, ekus=(CLIENT_AUTH,), now_us=NOW_US, backdate_us=0, lifetime_us=0):
    terms = Terms(ekus=ekus, backdate_us=backdate_us, lifetime_us=lifetime_us)
    return ca.sign(wanted, terms, now_us=now_us)


def read(signed):
    return x509.load_der_x509_certificate(signed.der)


def ca_certificate(ca):
    return x509.load_der_x509_certificate(ca.ca_chain()[0])


def built(ca, ca_key, key, *, subject, san, agreement, ekus):
    """The same certificate from ``x509.CertificateBuilder``."""
    issuer = ca_certificate(ca)
    own_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=isinstance(key, rsa.RSAPrivateKey),
        data_encipherment=False,
        key_agreement=agreement and isinstance(key, ec.EllipticCurvePrivateKey),
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(SERIAL)
        .not_valid_before(NOW - timedelta(seconds=300))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, ekus)), critical=False)
    )
    if san:
        builder = builder.add_extension(san, critical=not list(subject))
    identifier = key_identifier(spki_of(key))
    above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    builder = builder.add_extension(above, critical=False)
    digest = issuer.signature_hash_algorithm
    return builder.sign(ca_key, digest)


@pytest.mark.parametrize("ca_kind", CA_KEYS)
@pytest.mark.parametrize("kind", SUBJECT_KEYS)
@pytest.mark.parametrize(
    ("subject", "san"),
    [(SUBJECT, SAN), (SUBJECT, None), (x509.Name([]), SAN)],
    ids=["both", "subject", "san"],
)
@pytest.mark.parametrize("agreement", [False, True], ids=["plain", "agreement"])
def test_the_template_equals_the_builder_octet_for_octet(ca_kind, kind, subject, san, agreement):
    ca, key = local_ca(CA_KEYS[ca_kind]), SUBJECT_KEYS[kind]
    ekus = (CLIENT_AUTH, SERVER_AUTH)
    wanted = order(
        subject_der=subject.public_bytes(),
        spki_der=spki_of(key),
        san_der=san.public_bytes() if san else b"",
        key_agreement=agreement,
    )
    signed = sign(ca, wanted, ekus=ekus, backdate_us=300 * SECOND_US, lifetime_us=365 * DAY_US)
    other = built(
        ca, CA_KEYS[ca_kind], key, subject=subject, san=san, agreement=agreement, ekus=ekus
    )
    ours = read(signed)
    assert ours.tbs_certificate_bytes == other.tbs_certificate_bytes
    assert list(ours.extensions) == list(other.extensions)
    assert ours.signature_algorithm_oid == other.signature_algorithm_oid
    assert ours.signature_algorithm_parameters.__class__ is (
        other.signature_algorithm_parameters.__class__
    )
    ours.verify_directly_issued_by(ca_certificate(ca))
    assert (signed.serial, int(signed.serial, 16)) == (f"{SERIAL:x}", SERIAL)
    assert signed.not_before_us == NOW_US - 300 * SECOND_US
    assert signed.not_after_us == NOW_US + 365 * DAY_US


@pytest.mark.parametrize("ca_kind", CA_KEYS)
def test_openssl_finds_nothing_to_complain_about(tmp_path, ca_kind):
    now_us = int(datetime.now(UTC).timestamp()) * SECOND_US
    ca = local_ca(CA_KEYS[ca_kind], now_us)
    root = tmp_path / "root.pem"
    root.write_bytes(ca_certificate(ca).public_bytes(Encoding.PEM))
    for kind, key in SUBJECT_KEYS.items():
        leaf = tmp_path / f"{kind}.pem"
        wanted = order(spki_der=spki_of(key), san_der=SAN.public_bytes())
        leaf.write_bytes(read(sign(ca, wanted, now_us=now_us)).public_bytes(Encoding.PEM))
        checked = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root, leaf],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.stdout == f"{leaf}: OK\n", checked.stderr


def test_subject_octets_are_copied_whatever_string_types_they_hold():
    # CN as TeletexString, in an order and a form that no builder would make.
    odd = bytes.fromhex("301b 310c 300a 0603550403 14 03 64c3ad 310b 3009 0603550406 13 02 4445")
    signed = sign(
        local_ca(CA_KEYS[KeyType.P256]), order(subject_der=odd, spki_der=spki_of(ec_key()))
    )
    assert signed.der.count(odd) == 1


def test_neither_subject_nor_san_is_refused():
    with pytest.raises(PolicyViolation) as caught:
        sign(local_ca(CA_KEYS[KeyType.P256]), order(subject_der=EMPTY_NAME))
    assert caught.value.dimension == "subject"


def test_serials_are_all_different_and_long():
    key = CA_KEYS[KeyType.P256]
    certificate = make_certificate(key, "iss-local", NOW_US, lambda count: b"\x01" * count)
    ca = LocalCA(
        issuer_id="iss-local",
        signer=FileSigner(key),
        chain=[certificate.public_bytes(Encoding.DER)],
    )
    wanted = order(spki_der=spki_of(ec_key()))
    serials = [sign(ca, wanted).serial for _ in range(200)]
    assert len(set(serials)) == 200
    assert {len(serial) for serial in serials} == {40}
    assert len({serial[:8] for serial in serials}) == 1, "one moment, one beginning"


class TestValidity:
    ca = local_ca(CA_KEYS[KeyType.P256])
    end_us = int(ca_certificate(ca).not_valid_after_utc.timestamp()) * SECOND_US
    start_us = int(ca_certificate(ca).not_valid_before_utc.timestamp()) * SECOND_US
    wanted = order(spki_der=spki_of(SUBJECT_KEYS["ec"]))

    def test_a_ca_lives_ten_years_and_leaves_room_for_backdating(self):
        assert self.end_us - NOW_US == 3652 * DAY_US
        assert NOW_US - self.start_us == DAY_US

    def test_nothing_asked_for_means_ninety_days_or_what_the_issuer_says(self):
        assert sign(self.ca, self.wanted).not_after_us == NOW_US + 90 * DAY_US
        other = local_ca(CA_KEYS[KeyType.P256], lifetime_us=7 * DAY_US)
        assert sign(other, self.wanted).not_after_us == NOW_US + 7 * DAY_US

    def test_it_ends_with_the_ca_at_the_latest(self):
        signed = sign(self.ca, self.wanted, lifetime_us=4000 * DAY_US)
        assert signed.not_after_us == self.end_us
        assert read(signed).not_valid_after_utc == ca_certificate(self.ca).not_valid_after_utc

    def test_it_does_not_begin_before_the_ca(self):
        signed = sign(self.ca, self.wanted, backdate_us=30 * DAY_US)
        assert signed.not_before_us == self.start_us
        assert read(signed).not_valid_before_utc == ca_certificate(self.ca).not_valid_before_utc

    def test_parts_of_a_second_are_cut_in_record_and_certificate_alike(self):
        signed = sign(self.ca, self.wanted, now_us=NOW_US + 999_999)
        assert signed.not_before_us == NOW_US
        assert signed.not_after_us == NOW_US + 90 * DAY_US
        assert read(signed).not_valid_before_utc == NOW

    def test_a_year_from_2050_on_is_written_as_generalized_time(self):
        now_us = int(datetime(2049, 12, 31, tzinfo=UTC).timestamp()) * SECOND_US
        signed = sign(local_ca(CA_KEYS[KeyType.P256], now_us), self.wanted, now_us=now_us)
        assert b"\x17\x0d491231000000Z\x18\x0f20500331000000Z" in signed.der
        assert read(signed).not_valid_after_utc == datetime(2050, 3, 31, tzinfo=UTC)

    @pytest.mark.parametrize("offset", [-2 * DAY_US, 3653 * DAY_US], ids=["before", "after"])
    def test_outside_its_own_validity_a_ca_signs_nothing(self, offset):
        with pytest.raises(IssuerUnavailable) as caught:
            sign(self.ca, self.wanted, now_us=NOW_US + offset)
        assert (caught.value.what, caught.value.retry_after) == ("issuer iss-local", 60)


def test_the_authority_key_identifier_repeats_what_the_ca_says_of_itself():
    identifier = x509.SubjectKeyIdentifier(b"any method")
    wanted = order(spki_der=spki_of(ec_key()))
    for extensions, expected in (([(identifier, False)], b"any method"), ([], b"")):
        held = make_ca("their ca", extensions=extensions)
        ca = LocalCA(issuer_id="x", signer=FileSigner(held.key), chain=[held.der])
        found = read(sign(ca, wanted)).extensions.get_extension_for_class(
            x509.AuthorityKeyIdentifier
        )
        assert found.value.key_identifier == (expected or key_identifier(spki_of(held.key)))


class TestServerCertificate:
    ca = local_ca(CA_KEYS[KeyType.P256])

    def test_names_addresses_and_usage(self):
        names = ["localhost", "127.0.0.1", "::1", "est.example"]
        spki = spki_of(SUBJECT_KEYS["ec"])
        signed = self.ca.issue_server_certificate(names, spki, now_us=NOW_US)
        certificate = read(signed)
        certificate.verify_directly_issued_by(ca_certificate(self.ca))
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert san.value.get_values_for_type(x509.DNSName) == ["localhost", "est.example"]
        assert list(map(str, san.value.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]
        assert san.critical is False
        assert certificate.subject.rfc4514_string() == "CN=localhost"
        eku = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [usage.dotted_string for usage in eku] == [SERVER_AUTH]
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature
        assert not usage.key_agreement
        assert spki_of(certificate) == spki
        assert signed.not_after_us == NOW_US + 90 * DAY_US
        assert signed.not_before_us == NOW_US - DAY_US
        assert certificate.serial_number == int(signed.serial, 16)

    def test_days_are_heeded(self):
        spki = spki_of(SUBJECT_KEYS["ec"])
        signed = self.ca.issue_server_certificate(["a"], spki, now_us=NOW_US, days=7)
        assert signed.not_after_us == NOW_US + 7 * DAY_US

    def test_a_name_too_long_for_a_common_name_stands_in_the_san_alone(self):
        host = ".".join(["label"] * 12)
        spki = spki_of(SUBJECT_KEYS["ec"])
        certificate = read(self.ca.issue_server_certificate([host], spki, now_us=NOW_US))
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert san.critical is True
        assert not list(certificate.subject)

    @pytest.mark.parametrize("names", [[], [""], ["a", ""], ["münchen.example"]])
    def test_what_is_no_name_is_refused(self, names):
        with pytest.raises(ValueError):
            self.ca.issue_server_certificate(names, spki_of(SUBJECT_KEYS["ec"]), now_us=NOW_US)


def test_a_clock_of_1970_gives_no_certificate():
    with pytest.raises(IssuerUnavailable):
        TestServerCertificate.ca.issue_server_certificate(
            ["a"], spki_of(SUBJECT_KEYS["ec"]), now_us=0
        )


def test_signatures_use_the_digest_of_the_key():
    wanted = order(spki_der=spki_of(ec_key()))
    digests = {
        kind: read(sign(local_ca(key), wanted)).signature_hash_algorithm
        for kind, key in CA_KEYS.items()
    }
    assert isinstance(digests[KeyType.P256], hashes.SHA256)
    assert isinstance(digests[KeyType.P384], hashes.SHA384)
    assert isinstance(digests[KeyType.RSA2048], hashes.SHA256)
    assert digests[KeyType.ED25519] is None
