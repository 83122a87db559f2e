"""Trust bundles: what a file must be before anybody is trusted because of it."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certctl.trust.bundle import BundleRefused, load_bundle
from certctl.wire.trust_bundle import MAX_BUNDLE
from tests.unit.trust.pki import NOW, NOW_US, make_ca, make_crl

DAY = timedelta(days=1)
CA = make_ca("ca")
EXPIRED = make_ca("old ca", not_after=NOW - DAY)


def private_key():
    return CA.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"just a comment\n", "no certificate is in it"),
        (CA.der, "no certificate is in it"),
        (
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "certificate 1 in it does not parse",
        ),
        (
            CA.pem + b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "certificate 2 in it does not parse",
        ),
        (CA.pem + CA.pem[:300], "cut off"),
        (CA.pem + private_key(), "private key"),
        (CA.pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "'TRUSTED CERTIFICATE'"),
        (
            CA.pem + make_ca("old ca", not_after=NOW - DAY).pem,
            "certificate 2 in it has expired on 2026-11-22: CN=old ca",
        ),
        (CA.pem + b"#" * MAX_BUNDLE, "8 MiB"),
    ],
    ids=[
        *("empty", "comment", "der", "empty-certificate", "not-base64", "cut"),
        *("key", "other-label", "expired", "too-large"),
    ],
)
def test_a_bad_bundle_is_refused_with_its_name_and_reason(tmp_path, content, problem):
    path = tmp_path / "bundle.pem"
    path.write_bytes(content)
    with pytest.raises(BundleRefused) as caught:
        load_bundle(path, now_us=NOW_US)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    assert problem in caught.value.problem
    assert caught.value.remedy


def test_a_bundle_that_is_not_a_file_is_refused(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path / "missing", tmp_path, fifo):
        with pytest.raises(BundleRefused) as caught:
            load_bundle(path, now_us=NOW_US)
        assert caught.value.path == path


def test_a_bundle_lists_its_anchors_in_order_and_each_once(tmp_path):
    soon = make_ca("soon", not_after=NOW + 10 * DAY)
    path = tmp_path / "bundle.pem"
    path.write_bytes(b"# works CAs\r\n" + CA.pem + b"\nsoon to go:\n" + soon.pem + CA.pem)
    bundle = load_bundle(path, now_us=NOW_US)
    assert bundle.ders == (CA.der, soon.der)
    assert [anchor.subject for anchor in bundle.anchors] == ["CN=ca", "CN=soon"]
    month = 30 * 86_400_000_000
    assert [anchor.subject for anchor in bundle.expiring(NOW_US + month)] == ["CN=soon"]
    assert bundle.expiring(NOW_US) == ()
    assert bundle.anchors[1].not_after_us == NOW_US + 10 * 86_400_000_000
    assert bundle.anchors[1].not_before_us == NOW_US - month


def full_name_only(*, indirect: bool = False, of_cas: bool = False):
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example/ca.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=of_cas,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )
    return (point, True)


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)


@pytest.mark.parametrize(
    ("crl", "problem"),
    [
        (b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", "CRL in it does not parse"),
        (make_crl(CA)[:200], "cut off"),
        (make_crl(make_ca("ca")), "the CRL of CN=ca in it is not signed by that CA"),
        (make_crl(CA, extensions=[(x509.DeltaCRLIndicator(1), True)]), "not a full one"),
        (make_crl(CA, extensions=[full_name_only(indirect=True)]), "not a full one"),
        (make_crl(CA, extensions=[full_name_only(of_cas=True)]), "not a full one"),
        (make_crl(CA, extensions=[UNKNOWN]), "not a full one"),
    ],
    ids=["empty", "cut", "impostor", "delta", "indirect", "partial", "unknown-critical"],
)
def test_a_crl_that_says_too_little_refuses_the_bundle(tmp_path, crl, problem):
    path = tmp_path / "bundle.pem"
    path.write_bytes(CA.pem + crl)
    with pytest.raises(BundleRefused) as caught:
        load_bundle(path, now_us=NOW_US)
    assert problem in caught.value.problem
    assert caught.value.remedy


def test_crls_of_anchors_and_of_cas_below_them_are_taken(tmp_path):
    below = make_ca("below", issuer=CA)
    own = make_crl(CA, extensions=[full_name_only(), (x509.CRLNumber(7), False)])
    path = tmp_path / "bundle.pem"
    path.write_bytes(own + CA.pem + make_crl(below, next_update=NOW - DAY))
    bundle = load_bundle(path, now_us=NOW_US)
    assert bundle.ders == (CA.der,)
    assert [x509.load_der_x509_crl(der).issuer for der in bundle.crls] == [
        CA.certificate.subject,
        below.certificate.subject,
    ]
