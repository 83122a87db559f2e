"""The delegated OCSP responder: its certificate, its file, and when it is replaced."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import IssuerUnavailable
from certctl.issuers.responder import Responder
from certctl.issuers.signers.file import KeyFileRefused, KeyType, key_pem
from certctl.wire.pointers import Pointers
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import spki_of
from tests.unit.issuers.test_local_sign import CA_KEYS, ca_certificate, local_ca
from tests.unit.trust.pki import NOW_US, Held, ec_key, make

CA = local_ca(CA_KEYS[KeyType.P256])
CA_DER = CA.ca_chain()[0]
HELD_CA = Held(ca_certificate(CA), CA_KEYS[KeyType.P256])
VALIDITY_US = 30 * DAY_US


def new(ca=CA, **changes: Any):
    settings: dict[str, Any] = {"now_us": NOW_US, "validity_us": VALIDITY_US}
    return Responder.make(ca, **(settings | changes))


def load(directory, **changes: Any):
    settings: dict[str, Any] = {"issuer_id": "iss-local", "ca_der": CA_DER, "passphrase": None}
    return Responder.load(directory, **(settings | changes))


def refused(directory, **changes: Any):
    with pytest.raises(KeyFileRefused) as caught:
        load(directory, **changes)
    return caught.value.problem


def place(directory, *parts: bytes, mode: int = 0o600):
    path = directory / "ocsp-iss-local.pem"
    path.write_bytes(b"".join(parts))
    path.chmod(mode)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_responder_whose_key_others_can_reach_is_refused(tmp_path, mode):
    new()[0].write(tmp_path, issuer_id="iss-local", passphrase=None)
    (tmp_path / "ocsp-iss-local.pem").chmod(mode)
    assert "others may read or write" in refused(tmp_path)


def test_a_file_that_holds_something_else_is_refused(tmp_path):
    key = ec_key()
    pem = key_pem(key, None)
    signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    good = make("r", issuer=HELD_CA, key=key, extensions=[(signing, False)])
    for words, parts in {
        "not a private key": [good.pem],
        "holds no certificate of this CA": [pem],
        "may not sign": [pem, make("r", issuer=HELD_CA, key=key).pem],
        "do not belong together": [key_pem(ec_key(), None), good.pem],
    }.items():
        place(tmp_path, *parts)
        assert words in refused(tmp_path)
    place(tmp_path, pem, make("r", key=key, extensions=[(signing, False)]).pem)
    assert "holds no certificate of this CA" in refused(tmp_path)
    place(tmp_path, pem, make("r", issuer=HELD_CA, key=key, extensions=[(client, False)]).pem)
    assert "may not sign" in refused(tmp_path)
    place(tmp_path, pem, good.pem)
    loaded = load(tmp_path)
    assert loaded is not None
    assert loaded.certificate_der == good.der


@pytest.mark.parametrize("issuer_id", ["", "../x", "a/b", "ü"])
def test_an_issuer_id_leads_nowhere_else(tmp_path, issuer_id):
    with pytest.raises(ValueError, match="cannot name a file"):
        load(tmp_path, issuer_id=issuer_id)
    with pytest.raises(ValueError, match="cannot name a file"):
        new()[0].write(tmp_path, issuer_id=issuer_id, passphrase=None)
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_there_is_none(tmp_path):
    assert load(tmp_path) is None


@pytest.mark.parametrize("passphrase", [None, b"correct horse"], ids=["open", "encrypted"])
def test_what_is_written_is_loaded_again(tmp_path, passphrase):
    first, signed = new()
    path = first.write(tmp_path, issuer_id="iss-local", passphrase=passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)
    loaded = load(tmp_path, passphrase=passphrase)
    assert loaded is not None
    assert loaded.certificate_der == signed.der
    assert (loaded.not_before_us, loaded.not_after_us, loaded.name) == (
        first.not_before_us,
        first.not_after_us,
        first.name,
    )
    assert loaded.signer.spki_der == first.signer.spki_der
    second, _ = new()
    second.write(tmp_path, issuer_id="iss-local", passphrase=passphrase)
    replaced = load(tmp_path, passphrase=passphrase)
    assert replaced is not None
    assert replaced.certificate_der == second.certificate_der != first.certificate_der
    assert list(tmp_path.iterdir()) == [path]
    if passphrase:
        assert "cannot be decrypted" in refused(tmp_path, passphrase=b"wrong")


def test_a_responder_does_not_show_its_key():
    shown = repr(new()[0])
    assert "PrivateKey" not in shown
    assert "_key" not in shown


@pytest.mark.parametrize("ca_kind", CA_KEYS)
@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.RSA2048, KeyType.ED25519])
def test_the_certificate_says_what_a_responder_must_say(tmp_path, ca_kind, key_type):
    pointers = Pointers(crl_url="http://pki.example/a.crl", ocsp_url="http://pki.example/ocsp")
    ca = local_ca(CA_KEYS[ca_kind], pointers=pointers)
    responder, signed = new(ca, key_type=key_type)
    certificate = x509.load_der_x509_certificate(responder.certificate_der)
    certificate.verify_directly_issued_by(ca_certificate(ca))
    found = {each.value.oid.dotted_string: each for each in certificate.extensions}
    usage: Any = found.pop("2.5.29.15")
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_encipherment
    assert list(found.pop("2.5.29.37").value) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert not found.pop("1.3.6.1.5.5.7.48.1.5").critical
    # Nobody asks for its status, so nothing says where: SKI, AKI and CA:FALSE are left.
    assert sorted(found) == ["2.5.29.14", "2.5.29.19", "2.5.29.35"]
    assert signed.not_after_us == NOW_US + VALIDITY_US == responder.not_after_us
    assert signed.not_before_us == NOW_US - DAY_US == responder.not_before_us
    assert spki_of(certificate) == responder.signer.spki_der
    assert findings("lint_pkix_cert", signed.der, tmp_path) == ""


def test_no_responder_outlives_its_ca():
    responder, _ = new(validity_us=5000 * DAY_US)
    end = HELD_CA.certificate.not_valid_after_utc
    assert responder.not_after_us == int(end.timestamp()) * SECOND_US
    with pytest.raises(IssuerUnavailable):
        new(now_us=NOW_US + 5000 * DAY_US)


@pytest.mark.parametrize(
    ("after_us", "grace_us", "due"),
    [
        (0, 7 * DAY_US, False),
        (23 * DAY_US - 1, 7 * DAY_US, False),
        (23 * DAY_US, 7 * DAY_US, True),
        (40 * DAY_US, 7 * DAY_US, True),
        (30 * DAY_US - 1, 0, False),
        (30 * DAY_US, 0, True),
        (-DAY_US, 7 * DAY_US, False),
        (-DAY_US - 1, 7 * DAY_US, True),
        (0, 90 * DAY_US, False),
        (14 * DAY_US, 90 * DAY_US, False),
        (15 * DAY_US, 90 * DAY_US, True),
    ],
)
def test_it_is_replaced_in_time_and_not_at_every_look(after_us, grace_us, due):
    responder, _ = new()
    assert responder.is_due(now_us=NOW_US + after_us, grace_us=grace_us) is due


def test_keys_are_new_each_time():
    keys = {new()[0].signer.spki_der for _ in range(4)}
    assert len(keys) == 4


def test_the_subject_names_the_key():
    first, second = new()[0], new()[0]
    names = [
        x509.load_der_x509_certificate(each.certificate_der).subject.rfc4514_string()
        for each in (first, second)
    ]
    assert names[0] != names[1]
    assert all(name.startswith("CN=OCSP responder ") for name in names)
