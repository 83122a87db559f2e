"""Trust bundles: what a file must be before anybody is trusted because of it."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certctl.trust.bundle import MAX_BUNDLE, BundleRefused, load_bundle
from tests.unit.trust.pki import NOW, NOW_US, make_ca

DAY = timedelta(days=1)
CA = make_ca("ca")
EXPIRED = make_ca("old ca", not_after=NOW - DAY)


def crl() -> bytes:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(CA.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .sign(CA.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def private_key():
    return CA.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no certificate"),
        (b"just a comment\n", "holds no certificate"),
        (CA.der, "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "no certificate"),
        (CA.pem + b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "be read"),
        (CA.pem + CA.pem[:300], "cut off"),
        (CA.pem + crl(), "CRL"),
        (CA.pem + private_key(), "private key"),
        (CA.pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "'TRUSTED CERTIFICATE'"),
        (
            CA.pem + make_ca("old ca", not_after=NOW - DAY).pem,
            "certificate 2 (CN=old ca) has expired",
        ),
        (CA.pem + b"#" * MAX_BUNDLE, "4 MiB"),
    ],
    ids=[
        *("empty", "comment", "der", "empty-certificate", "not-base64", "cut", "crl"),
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
