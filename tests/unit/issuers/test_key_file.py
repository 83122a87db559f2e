"""Private key files: which are refused, in what words, and how they are written."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from certctl.issuers.signers.file import (
    MAX_KEY_FILE,
    FileSigner,
    KeyFileRefused,
    KeyType,
    load_key,
    make_key,
    write_key,
)

PASSPHRASE = b"correct horse"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505


def place(path, data, mode=0o600):
    path.write_bytes(data)
    path.chmod(mode)
    return path


def pem(key, passphrase=None, form=PrivateFormat.PKCS8, encoding=Encoding.PEM):
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(encoding, form, encryption)


def refused(path, passphrase=None):
    with pytest.raises(KeyFileRefused) as caught:
        load_key(path, passphrase)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    assert PASSPHRASE.decode() not in str(caught.value)
    return caught.value.problem


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o660, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path, mode):
    assert "others may read or write" in refused(place(tmp_path / "k", pem(EC_KEY), mode))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_read(tmp_path, mode):
    key = load_key(place(tmp_path / "k", pem(EC_KEY), mode), None)
    assert key.public_key() == EC_KEY.public_key()


def test_missing_unreadable_and_other_things_are_refused(tmp_path):
    assert "no such key file" in refused(tmp_path / "k")
    assert "not a regular file" in refused(tmp_path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in refused(tmp_path / "fifo")
    assert "cannot be read" in refused(place(tmp_path / "file", b"") / "below")
    assert "too long" in refused(place(tmp_path / "long", b"x" * (MAX_KEY_FILE + 1)))


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n", b"\x30\x00"])
def test_what_is_no_key_is_refused(tmp_path, data):
    path = place(tmp_path / "k", data)
    assert "not a private key" in refused(path)
    assert "damaged" in refused(path, PASSPHRASE)


def test_a_key_cut_off_is_refused(tmp_path):
    whole = pem(EC_KEY)
    assert "not a private key" in refused(place(tmp_path / "k", whole[: len(whole) // 2]))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["pem", "der"])
def test_passphrases(tmp_path, encoding):
    path = place(tmp_path / "k", pem(EC_KEY, PASSPHRASE, encoding=encoding))
    assert load_key(path, PASSPHRASE).public_key() == EC_KEY.public_key()
    assert "cannot be decrypted" in refused(path, b"wrong")
    assert "no passphrase" in refused(path)
    open_path = place(tmp_path / "open", pem(EC_KEY, encoding=encoding))
    assert "not encrypted" in refused(open_path, PASSPHRASE)


@pytest.mark.parametrize(
    "key",
    [
        SMALL_RSA,
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP521R1()),
        x25519.X25519PrivateKey.generate(),
    ],
    ids=["rsa-1024", "secp256k1", "p-521", "x25519"],
)
def test_other_kinds_of_key_are_refused(tmp_path, key):
    assert "not of a supported type" in refused(place(tmp_path / "k", pem(key)))


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY, ED_KEY], ids=["rsa", "ec", "ed25519"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["pem", "der"])
@pytest.mark.parametrize("old", [False, True], ids=["pkcs8", "traditional"])
def test_all_forms_are_read(tmp_path, key, encoding, old):
    if old and key is ED_KEY:
        old = False  # There is no older form of it.
    form = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    loaded = load_key(place(tmp_path / "k", pem(key, form=form, encoding=encoding)), None)
    assert loaded.public_key() == key.public_key()


def test_the_output_of_openssl_ecparam_is_read(tmp_path):
    made = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey"], capture_output=True, check=True
    ).stdout
    assert made.startswith(b"-----BEGIN EC PARAMETERS")
    assert isinstance(load_key(place(tmp_path / "k", made), None), ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["open", "encrypted"])
def test_a_written_key_is_private_whole_and_read_again(tmp_path, passphrase):
    path = tmp_path / "k"
    before = os.umask(0)
    try:
        write_key(path, EC_KEY, passphrase)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path, passphrase).public_key() == EC_KEY.public_key()
    assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_is_only_replaced_when_asked_to(tmp_path):
    path = tmp_path / "k"
    write_key(path, EC_KEY, None)
    with pytest.raises(FileExistsError):
        write_key(path, RSA_KEY, None)
    assert load_key(path, None).public_key() == EC_KEY.public_key()
    write_key(path, RSA_KEY, None, replace=True)
    assert load_key(path, None).public_key() == RSA_KEY.public_key()
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_planted_under_the_name_is_not_followed(tmp_path):
    target = tmp_path / "elsewhere"
    (tmp_path / "k").symlink_to(target)
    with pytest.raises(FileExistsError):
        write_key(tmp_path / "k", EC_KEY, None)
    write_key(tmp_path / "k", EC_KEY, None, replace=True)
    assert not target.exists()
    assert not (tmp_path / "k").is_symlink()


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384, KeyType.RSA2048, KeyType.ED25519])
def test_a_signature_verifies_and_names_its_algorithm(key_type):
    signer = FileSigner(make_key(key_type))
    signature = signer.sign(b"data")
    key: Any = load_der_public_key(signer.spki_der)
    check: tuple[Any, ...]
    match key_type:
        case KeyType.RSA2048:
            check, oid = (padding.PKCS1v15(), hashes.SHA256()), "2a864886f70d01010b0500"
        case KeyType.P256:
            check, oid = (ec.ECDSA(hashes.SHA256()),), "2a8648ce3d040302"
        case KeyType.P384:
            check, oid = (ec.ECDSA(hashes.SHA384()),), "2a8648ce3d040303"
        case _:
            check, oid = (), "2b6570"
    key.verify(signature, b"data", *check)
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"other", *check)
    assert signer.algorithm_der.hex().endswith(oid)
    assert len(signer.algorithm_der) == len(bytes.fromhex(oid)) + 4


@pytest.mark.parametrize(
    ("key_type", "bits"), [(KeyType.RSA3072, 3072), (KeyType.RSA4096, 4096), (KeyType.P384, 384)]
)
def test_keys_are_made_as_large_as_named(key_type, bits):
    key: Any = make_key(key_type)
    assert key.key_size == bits


def test_a_key_of_another_kind_has_no_signer():
    with pytest.raises(TypeError):
        FileSigner(ec.generate_private_key(ec.SECP521R1()))


def test_a_signer_does_not_show_its_key():
    assert not hasattr(FileSigner(EC_KEY), "__dict__")
    assert "private" not in repr(FileSigner(EC_KEY)).lower()
