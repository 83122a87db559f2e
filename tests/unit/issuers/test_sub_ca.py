"""Sub-CA mode: which certificates, chains and keys from elsewhere may sign here."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ports import Terms
from certctl.issuers.ca_checks import MAX_CHAIN, CARefused
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyFileRefused, write_key
from tests.unit.issuers.orders import CLIENT_AUTH, order, spki_of
from tests.unit.trust.pki import NOW, NOW_US, Held, ec_key, make, make_ca, usage

ROOT = make_ca("root")
MIDDLE = make_ca("middle", issuer=ROOT)
DAY = timedelta(days=1)


def place(directory, key, *certificates: Held):
    """Certificate file and key file of a sub-CA."""
    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    certificate_path.write_bytes(b"".join(held.pem for held in certificates))
    write_key(key_path, key, None, replace=True)
    return certificate_path, key_path


def use(directory, held, *above: Held, now_us=NOW_US, known_fingerprint=None):
    return LocalCA.from_files(
        *place(directory, held.key, held, *above),
        issuer_id="iss-local",
        passphrase=None,
        now_us=now_us,
        known_fingerprint=known_fingerprint,
    )


def refused(directory, held, *above: Held, **settings: Any):
    with pytest.raises(CARefused) as caught:
        use(directory, held, *above, **settings)
    assert caught.value.path == directory / "ca.pem"
    assert str(directory / "ca.pem") in str(caught.value)
    assert caught.value.remedy
    return caught.value.problem


def test_missing_files_are_refused(tmp_path):
    _, key_path = place(tmp_path, ec_key(), ROOT)
    settings: dict[str, Any] = {"issuer_id": "x", "passphrase": None, "now_us": NOW_US}
    with pytest.raises(CARefused, match="no such CA certificate file"):
        LocalCA.from_files(tmp_path / "none", key_path, **settings)
    with pytest.raises(CARefused, match="cannot be read"):
        LocalCA.from_files(tmp_path, key_path, **settings)
    with pytest.raises(KeyFileRefused, match="no such key file"):
        LocalCA.from_files(tmp_path / "ca.pem", tmp_path / "none", **settings)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    paths = place(tmp_path, ec_key(), MIDDLE, ROOT)
    with pytest.raises(CARefused, match="does not belong to the CA certificate"):
        LocalCA.from_files(*paths, issuer_id="x", passphrase=None, now_us=NOW_US)


def test_a_chain_upside_down_is_refused_in_its_own_words(tmp_path):
    paths = place(tmp_path, MIDDLE.key, ROOT, MIDDLE)
    with pytest.raises(CARefused, match="is not the first one"):
        LocalCA.from_files(*paths, issuer_id="x", passphrase=None, now_us=NOW_US)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"ca": False}, "the CA certificate is not a CA certificate"),
        ({"ca": None}, "the CA certificate is not a CA certificate"),
        ({"extensions": [(usage(digital_signature=True), True)]}, "may not sign certificates"),
        ({"not_after": NOW - DAY}, "the CA certificate has expired (on 2026-11-22 12:00Z)"),
        ({"not_before": NOW + DAY}, "the CA certificate is not yet valid"),
    ],
    ids=["ca-false", "no-basic", "no-cert-sign", "expired", "early"],
)
def test_a_certificate_that_may_not_sign_is_refused(tmp_path, settings, problem):
    assert problem in refused(tmp_path, make_ca("sub", issuer=ROOT, **settings), ROOT)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"ca": False}, "certificate 2 is not a CA certificate"),
        ({"extensions": [(usage(digital_signature=True), True)]}, "certificate 2 may not sign"),
        ({"not_after": NOW - DAY}, "certificate 2 has expired"),
    ],
    ids=["ca-false", "no-cert-sign", "expired"],
)
def test_the_certificates_above_are_checked_too(tmp_path, settings, problem):
    above = make_ca("above", issuer=ROOT, **settings)
    sub = make_ca("sub", issuer=above)
    assert problem in refused(tmp_path, sub, above, ROOT)


def test_path_lengths_count_what_stands_below(tmp_path):
    root = make_ca("root", path_length=1)
    middle = make_ca("middle", issuer=root)
    assert use(tmp_path, make_ca("sub", issuer=root, path_length=0), root)
    assert use(tmp_path, middle, root)
    problem = refused(tmp_path, make_ca("sub", issuer=middle), middle, root)
    assert "certificate 3 allows 1 CAs below it, and there are 2" in problem


def test_a_self_issued_certificate_does_not_count(tmp_path):
    root = make_ca("root", path_length=0)
    renewed = make_ca("root", issuer=root)
    assert use(tmp_path, renewed, root).ca_chain() == (renewed.der, root.der)
    assert "path length" in refused(tmp_path, make_ca("s", issuer=renewed), renewed, root)


def test_a_gap_a_stranger_or_a_missing_root_is_refused(tmp_path):
    sub = make_ca("sub", issuer=MIDDLE)
    assert "certificate 2 did not issue certificate 1" in refused(tmp_path, sub, ROOT)
    impostor = make_ca("middle", issuer=ROOT)
    assert "certificate 2 did not issue" in refused(tmp_path, sub, impostor, ROOT)
    assert "certificate 3 did not issue" in refused(tmp_path, sub, MIDDLE, make_ca("root"))
    assert "does not end in a self-signed root" in refused(tmp_path, sub, MIDDLE)
    assert "did not issue certificate 3" in refused(tmp_path, sub, MIDDLE, ROOT, make_ca("x"))


def test_a_chain_too_long_is_refused(tmp_path):
    assert "more than" in refused(tmp_path, MIDDLE, *[ROOT] * MAX_CHAIN)


def test_doubled_extensions_are_refused(tmp_path):
    first = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    second = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"\x05\x00")
    held = make_ca("sub", issuer=ROOT, extensions=[(first, False), (second, False)])
    paths = place(tmp_path, held.key, held, ROOT)
    doubled = held.der.replace(b"\x06\x03\x2a\x03\x05", b"\x06\x03\x2a\x03\x04")
    pem = x509.load_der_x509_certificate(doubled).public_bytes(Encoding.PEM)
    paths[0].write_bytes(pem + ROOT.pem)
    with pytest.raises(CARefused, match="broken extensions"):
        LocalCA.from_files(*paths, issuer_id="x", passphrase=None, now_us=NOW_US)


def test_another_ca_than_the_one_on_record_is_refused(tmp_path):
    known = hashlib.sha256(MIDDLE.der).digest()
    assert use(tmp_path, MIDDLE, ROOT, known_fingerprint=known)
    other = make_ca("middle", issuer=ROOT)
    assert "not the CA on record" in refused(tmp_path, other, ROOT, known_fingerprint=known)


@pytest.mark.parametrize(
    "key",
    [
        ec_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["ec", "rsa", "ed25519"],
)
def test_a_sub_ca_gives_its_chain_and_signs(tmp_path, key):
    identifier = x509.SubjectKeyIdentifier(b"as the parent liked it")
    sub = make_ca(
        "sub",
        issuer=ROOT,
        key=key,
        extensions=[(usage(key_cert_sign=True), True), (identifier, False)],
        not_after=NOW + 20 * DAY,
    )
    ca = use(tmp_path, sub, ROOT)
    assert ca.ca_chain() == (sub.der, ROOT.der)
    signed = ca.sign(
        order(spki_der=spki_of(ec_key())),
        Terms(ekus=(CLIENT_AUTH,), backdate_us=0),
        now_us=NOW_US,
    )
    assert signed.not_after_us == NOW_US + 20 * DAY_US
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "sub.pem").write_bytes(sub.pem)
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(x509.load_der_x509_certificate(signed.der).public_bytes(Encoding.PEM))
    anchors = ["-CAfile", tmp_path / "root.pem", "-untrusted", tmp_path / "sub.pem"]
    checked = subprocess.run(
        ["openssl", "verify", "-attime", str(NOW_US // SECOND_US), *anchors, leaf],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == f"{leaf}: OK\n", checked.stderr


def test_a_root_of_elsewhere_may_be_used_as_it_is(tmp_path):
    assert use(tmp_path, ROOT).ca_chain() == (ROOT.der,)
    assert "not a CA" in refused(tmp_path, make("device"))
