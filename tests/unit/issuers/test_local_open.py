"""The local CA's files: made once, the same for ever, and never remade in silence."""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import DAY_US
from certctl.domain.ports import Terms
from certctl.issuers.ca_checks import CARefused
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyFileRefused, KeyType, load_key
from tests.unit.issuers.orders import CLIENT_AUTH, order, spki_of
from tests.unit.trust.pki import NOW_US, ec_key, make


def open_ca(directory, **changes: Any):
    settings: dict[str, Any] = {
        "issuer_id": "iss-local",
        "key_type": KeyType.P256,
        "passphrase": None,
        "now_us": NOW_US,
        "known_fingerprint": None,
    }
    return LocalCA.open(directory, **(settings | changes))


def fingerprint(ca):
    return hashlib.sha256(ca.ca_chain()[0]).digest()


def refused(directory, **changes: Any):
    before = sorted(directory.iterdir()) if directory.is_dir() else None
    with pytest.raises(CARefused) as caught:
        open_ca(directory, **changes)
    assert str(caught.value.path) in str(caught.value)
    assert caught.value.remedy
    if before is not None:
        assert sorted(directory.iterdir()) == before
    return caught.value.problem


@pytest.fixture
def made(tmp_path):
    return open_ca(tmp_path)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_a_lost_key_is_a_refusal(tmp_path, made, known):
    (tmp_path / "ca-iss-local.key").unlink()
    problem = refused(tmp_path, known_fingerprint=fingerprint(made) if known else None)
    assert "key file is gone" in problem


def test_a_lost_certificate_is_a_refusal_once_the_ca_is_on_record(tmp_path, made):
    (tmp_path / "ca-iss-local.pem").unlink()
    assert "certificate file is gone" in refused(tmp_path, known_fingerprint=fingerprint(made))


def test_losing_both_files_never_makes_a_second_ca(tmp_path, made):
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(CARefused, match="backup") as caught:
        open_ca(tmp_path, known_fingerprint=fingerprint(made))
    assert caught.value.path == tmp_path / "ca-iss-local.key"
    assert list(tmp_path.iterdir()) == []


def test_another_ca_than_the_one_on_record_is_a_refusal(tmp_path, made):
    assert made.ca_chain()
    problem = refused(tmp_path, known_fingerprint=b"\xab" * 32)
    assert "not the CA on record" in problem
    assert "ab" * 32 in problem


def test_a_foreign_key_or_certificate_is_a_refusal(tmp_path, made):
    assert made.ca_chain()
    other = tmp_path / "other"
    other.mkdir()
    open_ca(other)
    (tmp_path / "ca-iss-local.pem").write_bytes((other / "ca-iss-local.pem").read_bytes())
    assert "does not belong" in refused(tmp_path)


VERSION_18 = Path(__file__).parents[2] / "fuzz" / "found" / "presented" / "version-18"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        ssl.DER_cert_to_PEM_cert(VERSION_18.read_bytes()).encode(),
    ],
    ids=["nothing", "garbage", "no certificate", "version 18"],
)
def test_a_damaged_certificate_is_a_refusal(tmp_path, made, content):
    assert made.ca_chain()
    (tmp_path / "ca-iss-local.pem").write_bytes(content)
    assert "not a file of PEM certificates" in refused(tmp_path)


def test_a_certificate_that_is_no_ca_is_a_refusal(tmp_path, made):
    assert made.ca_chain()
    key = load_key(tmp_path / "ca-iss-local.key", None)
    (tmp_path / "ca-iss-local.pem").write_bytes(make("x", key=key).pem)
    assert "not a CA certificate" in refused(tmp_path)


def test_a_world_readable_key_is_a_refusal(tmp_path, made):
    assert made.ca_chain()
    (tmp_path / "ca-iss-local.key").chmod(0o644)
    with pytest.raises(KeyFileRefused, match="others may read"):
        open_ca(tmp_path)


@pytest.mark.parametrize(
    ("offset", "problem"), [(4000 * DAY_US, "has expired"), (-2 * DAY_US, "not yet valid")]
)
def test_a_ca_out_of_time_is_a_refusal(tmp_path, made, offset, problem):
    assert made.ca_chain()
    assert problem in refused(tmp_path, now_us=NOW_US + offset)


def test_a_directory_that_is_missing_or_a_file_is_a_refusal(tmp_path):
    assert "cannot be read or written" in refused(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be read or written" in refused(tmp_path / "file")


@pytest.mark.parametrize("issuer_id", ["", "../x", "a/b", "ümlaut", "a\0", "a b"])
def test_an_id_that_cannot_name_a_file_is_refused(tmp_path, issuer_id):
    with pytest.raises(ValueError, match="issuer id"):
        open_ca(tmp_path, issuer_id=issuer_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["open", "encrypted"])
def test_the_same_ca_comes_back_at_every_start(tmp_path, passphrase):
    first = open_ca(tmp_path, passphrase=passphrase)
    contents = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for known in (None, fingerprint(first)):
        again = open_ca(
            tmp_path, passphrase=passphrase, known_fingerprint=known, key_type=KeyType.ED25519
        )
        assert again.ca_chain() == first.ca_chain()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == contents
    if passphrase:
        with pytest.raises(KeyFileRefused, match="no passphrase"):
            open_ca(tmp_path)
        with pytest.raises(KeyFileRefused, match="cannot be decrypted"):
            open_ca(tmp_path, passphrase=b"wrong")


def test_files_their_names_and_modes(tmp_path):
    before = os.umask(0)
    try:
        ca = open_ca(tmp_path)
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"ca-iss-local.key": 0o600, "ca-iss-local.pem": 0o644}
    pem = (tmp_path / "ca-iss-local.pem").read_bytes()
    assert x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) == ca.ca_chain()[0]


def test_a_key_whose_certificate_was_never_written_is_finished(tmp_path, made):
    """What a crash between the two files leaves behind."""
    (tmp_path / "ca-iss-local.pem").unlink()
    again = open_ca(tmp_path)
    old, new = (x509.load_der_x509_certificate(ca.ca_chain()[0]) for ca in (made, again))
    assert new.public_key() == old.public_key()
    assert new.subject == old.subject
    assert open_ca(tmp_path).ca_chain() == again.ca_chain()


def test_processes_that_start_at_once_share_one_ca(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        cas = list(pool.map(lambda _: open_ca(tmp_path), range(16)))
    assert len({ca.ca_chain() for ca in cas}) == 1
    assert len(list(tmp_path.iterdir())) == 2
    wanted = order(spki_der=spki_of(ec_key()))
    root = x509.load_der_x509_certificate(cas[0].ca_chain()[0])
    for ca in cas:
        signed = ca.sign(wanted, Terms(ekus=(CLIENT_AUTH,), backdate_us=0), now_us=NOW_US)
        x509.load_der_x509_certificate(signed.der).verify_directly_issued_by(root)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_what_the_ca_certificate_says(tmp_path, key_type):
    ca = open_ca(tmp_path, key_type=key_type, issuer_id="x" * 60)
    (der,) = ca.ca_chain()
    certificate = x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(certificate)
    constraints, usage, identifier = certificate.extensions
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(True, None))
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert usage.value.digital_signature
    assert not usage.value.key_encipherment
    (common_name,) = certificate.subject
    unique = identifier.value.digest[:4].hex()
    assert common_name.value == f"certctl CA {'x' * 44} {unique}"
    assert certificate.serial_number.bit_length() == 159


def test_two_cas_of_one_id_do_not_share_a_name(tmp_path):
    names = set()
    for directory in (tmp_path / "a", tmp_path / "b"):
        directory.mkdir()
        ca = x509.load_der_x509_certificate(open_ca(directory).ca_chain()[0])
        names.add(ca.subject.rfc4514_string())
    assert len(names) == 2
