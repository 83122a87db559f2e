"""Sealed CA keys: they open with their own row and config key, and with nothing else."""

from __future__ import annotations

import base64
import secrets

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from certctl.domain.ports import VaultRefused
from certctl.domain.stored_issuers import IssuerState, StoredIssuer
from certctl.issuers.vault import IssuerVault, read_config_key
from tests.harness.replacing import replace

NOW_US = 1_800_000_000_000_000
KEY = bytes(range(32))
SECRET = b"the key of a CA, as PKCS#8"
ROW = StoredIssuer(
    id="factory",
    version=3,
    type="local",
    display_name="Factory",
    state=IssuerState.ENABLED,
    key_type="P-256",
    validity_s=86_400,
    chain=(b"certificate",),
    csr_der=b"request",
    created_us=NOW_US,
    created_by="key:root",
    changed_us=NOW_US,
)


@pytest.fixture
def vault() -> IssuerVault:
    return IssuerVault(KEY)


def test_what_is_sealed_opens_again_and_looks_like_nothing(vault: IssuerVault) -> None:
    sealed = vault.seal(ROW, SECRET)
    assert vault.open(ROW, sealed) == SECRET
    assert SECRET not in sealed
    assert vault.seal(ROW, SECRET) != sealed


@pytest.mark.parametrize(
    "other",
    [
        {"id": "other"},
        {"version": 2},
        {"version": 4},
        {"type": "script"},
        {"state": IssuerState.DISABLED},
        {"key_type": "P-384"},
        {"validity_s": 1},
        {"chain": ()},
        {"chain": (b"certificate", b"more")},
        {"csr_der": b""},
    ],
    ids=str,
)
def test_it_does_not_open_with_another_row(vault: IssuerVault, other: dict[str, object]) -> None:
    sealed = vault.seal(ROW, SECRET)
    with pytest.raises(VaultRefused, match="does not belong to its row"):
        vault.open(replace(ROW, **other), sealed)


def test_the_name_for_people_may_be_mended_by_hand(vault: IssuerVault) -> None:
    assert vault.open(replace(ROW, display_name="x"), vault.seal(ROW, SECRET)) == SECRET


def test_each_octet_changed_or_cut_is_refused(vault: IssuerVault) -> None:
    sealed = vault.seal(ROW, SECRET)
    for at in range(len(sealed)):
        with pytest.raises(VaultRefused):
            vault.open(ROW, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        with pytest.raises(VaultRefused):
            vault.open(ROW, sealed[:at])


def test_another_config_key_is_named_as_the_fault(vault: IssuerVault) -> None:
    other = IssuerVault(secrets.token_bytes(32))
    assert other.digest != vault.digest
    with pytest.raises(VaultRefused, match="another config key") as caught:
        other.open(ROW, vault.seal(ROW, SECRET))
    assert KEY.hex() not in str(caught.value)


@pytest.mark.parametrize("text", [KEY.hex(), base64.b64encode(KEY).decode(), f" {KEY.hex()}\n"])
def test_a_config_key_comes_in_two_spellings(text: str) -> None:
    assert read_config_key(text) == KEY


@pytest.mark.parametrize("text", ["", "secret", KEY.hex()[:-1], "A" * 44, "é" * 64, "=" * 44])
def test_what_is_no_config_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(VaultRefused, match="not 32 octets") as caught:
        read_config_key(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("key_type", ["P-256", "P-384", "RSA-2048", "Ed25519"])
def test_a_ca_is_made_of_each_kind_of_key(vault: IssuerVault, key_type: str) -> None:
    secret = vault.make_key(key_type)
    public = load_der_private_key(secret, None).public_key()
    root = vault.root_certificate(secret, issuer_id="a", common_name=None, now_us=NOW_US)
    certificate = x509.load_der_x509_certificate(root)
    assert certificate.public_key() == public
    certificate.verify_directly_issued_by(certificate)
    vault.check_chain(secret, [root], now_us=NOW_US)
    request = x509.load_der_x509_csr(vault.request(secret, issuer_id="a", common_name="Werk"))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Werk"
    basic = request.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.value.ca
    other = vault.make_key("P-256")
    with pytest.raises(VaultRefused, match="does not belong"):
        vault.check_chain(other, [root], now_us=NOW_US)


def test_a_chain_that_is_none_is_refused(vault: IssuerVault) -> None:
    secret = vault.make_key("P-256")
    for chain in ([], [b"0"], [b"\x30\x00"]):
        with pytest.raises(VaultRefused):
            vault.check_chain(secret, chain, now_us=NOW_US)
