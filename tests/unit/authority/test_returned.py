"""Certificates as a CA outside might give them, held against one order."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.authority.intents import Ordered
from certctl.authority.returned import differences, read_returned
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import IssuerMisbehaved
from certctl.domain.ports import Terms
from certctl.wire.der import BIT_STRING, SEQUENCE, encode
from tests.harness.device import Device, name
from tests.harness.pki import ForeignCA
from tests.harness.replacing import replace
from tests.unit.issuers.orders import CLIENT_AUTH, order, spki_of

NOW_US = int(dt.datetime.now(dt.UTC).timestamp()) * SECOND_US
CA = ForeignCA("corp")
KEY = ec.generate_private_key(ec.SECP256R1())
SANS = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")])
ORDERED = Ordered(
    order=order(
        subject_der=name("device").public_bytes(),
        spki_der=spki_of(KEY),
        san_der=SANS.public_bytes(),
    ),
    terms=Terms(ekus=(CLIENT_AUTH,), backdate_us=0, lifetime_us=90 * DAY_US),
)
CHAIN = (CA.certificate.public_bytes(Encoding.DER),)
Builder = x509.CertificateBuilder


def certificate(
    *more: x509.ExtensionType,
    subject: x509.Name | None = None,
    days: tuple[float, float] = (-0.01, 89),
    key: ec.EllipticCurvePrivateKey = KEY,
    without: tuple[type, ...] = (),
    serial: int | None = None,
    signer: ForeignCA = CA,
) -> bytes:
    """What was ordered, with extensions in place of those of their type or without them."""
    now = dt.datetime.now(dt.UTC)
    extensions: dict[type, x509.ExtensionType] = {
        type(each): each
        for each in (
            SANS,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
            x509.BasicConstraints(ca=False, path_length=None),
            *more,
        )
    }
    builder = (
        Builder()
        .subject_name(name("device") if subject is None else subject)
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
    )
    for kind, extension in extensions.items():
        if kind not in without:
            builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def found(der: bytes, ordered: Ordered = ORDERED) -> tuple[str, ...]:
    return differences(read_returned(der, CHAIN), ordered, now_us=NOW_US)


def usage(**bits: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{each: bits.get(each, False) for each in names.split()})


@pytest.mark.parametrize(
    "der",
    [
        certificate(),
        certificate(usage(digital_signature=True)),
        certificate(x509.SubjectAlternativeName(list(SANS)[::-1])),
        certificate(days=(-400, 1)),
    ],
    ids=["plain", "with usage", "names in another order", "shorter, earlier"],
)
def test_what_was_ordered_is_taken(der: bytes) -> None:
    assert found(der) == ()


OTHER_NAMES = x509.SubjectAlternativeName([x509.DNSName("a.example")])
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("2.5.29.37.0")])


@pytest.mark.parametrize(
    ("der", "what"),
    [
        (certificate(key=ec.generate_private_key(ec.SECP256R1())), "public key"),
        (certificate(subject=name("Device")), "subject"),
        (certificate(subject=x509.Name([])), "subject"),
        (certificate(OTHER_NAMES), "subjectAltName"),
        (certificate(without=(x509.SubjectAlternativeName,)), "subjectAltName"),
        (certificate(ANY), "extendedKeyUsage"),
        (certificate(without=(x509.ExtendedKeyUsage,)), "extendedKeyUsage"),
        (certificate(x509.BasicConstraints(ca=True, path_length=None)), "CA"),
        (certificate(usage(key_cert_sign=True)), "CA"),
        (certificate(usage(crl_sign=True)), "CA"),
        (certificate(days=(-1, 91)), "validity"),
        (certificate(days=(-2, -1)), "validity"),
        (certificate(days=(1, 2)), "validity"),
    ],
)
def test_each_difference_is_seen(der: bytes, what: str) -> None:
    assert found(der) == (what,)


def test_must_staple_is_missed_where_it_was_asked_for() -> None:
    ordered = replace(ORDERED, terms=replace(ORDERED.terms, must_staple=True))
    assert found(certificate(), ordered) == ("status_request",)
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert found(certificate(feature), ordered) == ()


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x03\x02\x01\x00",
        certificate(signer=ForeignCA("corp")),
        certificate(signer=ForeignCA("another")),
        ForeignCA("self").certificate.public_bytes(Encoding.DER),
        certificate()[:-1],
    ],
    ids=["nothing", "no certificate", "same name", "another CA", "self-signed", "cut off"],
)
def test_what_is_not_of_this_ca_is_no_answer(der: bytes) -> None:
    with pytest.raises(IssuerMisbehaved):
        read_returned(der, CHAIN)


def test_a_negative_serial_number_is_no_answer() -> None:
    tbs = x509.load_der_x509_certificate(certificate(serial=0x4001)).tbs_certificate_bytes
    forged = tbs.replace(b"\x02\x02\x40\x01", b"\x02\x02\xff\x01", 1)
    signature = CA.key.sign(forged, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    der = encode(SEQUENCE, forged, algorithm, encode(BIT_STRING, b"\x00", signature))
    with pytest.raises(IssuerMisbehaved, match="serial number"):
        read_returned(der, CHAIN)


def test_a_tls_feature_that_nobody_knows_is_no_answer() -> None:
    feature = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), bytes.fromhex("3003020106")
    )
    with pytest.raises(IssuerMisbehaved, match="cannot be used"):
        read_returned(certificate(feature), CHAIN)


def test_a_broken_signature_is_no_answer() -> None:
    der = bytearray(certificate())
    der[-1] ^= 1
    with pytest.raises(IssuerMisbehaved):
        read_returned(bytes(der), CHAIN)


def test_the_name_of_a_device_is_told_as_people_read_it(tmp_path: Path) -> None:
    device = CA.equip(Device(tmp_path, "pump"), subject=name("pump"))
    assert device.certificate is not None
    returned = read_returned(device.certificate.public_bytes(Encoding.DER), CHAIN)
    assert (returned.subject, returned.sans) == ("CN=pump", ())
    assert returned.signed.serial == f"{device.certificate.serial_number:x}"
