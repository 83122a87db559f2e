"""The CA signs a list only after reading it; openssl and pkilint read what it signed."""

from __future__ import annotations

import hashlib
import subprocess
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import REMOVE_FROM_CRL
from certctl.domain.errors import CrlRefused, IssuerUnavailable
from certctl.domain.ports import CanIssueResponder, CanSignCRL
from certctl.domain.revocation import RevocationReason
from certctl.issuers.crl_checks import MAX_AGE_US, MAX_AHEAD_US, MAX_VALIDITY_US
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import FileSigner, KeyType
from certctl.wire.crl import CrlFields, CrlIssuer, encode_tbs
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import order, spki_of
from tests.unit.issuers.test_local_sign import (
    CA_KEYS,
    SUBJECT_KEYS,
    ca_certificate,
    local_ca,
    read,
    sign,
)
from tests.unit.trust.pki import NOW_US, ec_key, make_ca

URL = "http://pki.example/crls/iss-local-1.crl"
CA = local_ca(CA_KEYS[KeyType.P256])
SERIAL = b"\x41" + bytes(19)


def tbs(ca=CA, *, issuer=None, entries=(), now_us=NOW_US, **changes: Any):
    settings: dict[str, Any] = {
        "number": 8,
        "this_update_us": now_us,
        "next_update_us": now_us + DAY_US,
    }
    return encode_tbs(issuer or ca.crl_issuer, CrlFields(**(settings | changes)), entries)


def signed(ca=CA, *, last_number=7, now_us=NOW_US, **changes: Any):
    octets = tbs(ca, now_us=now_us, **changes)
    signed = ca.begin_crl().fed(octets).sign(last_number=last_number, now_us=now_us)
    assert (signed.size, signed.digest) == (len(octets), hashlib.sha256(octets).digest())
    return signed.seal.around(octets)


def refused(octets, *, ca=CA, last_number=7, now_us=NOW_US):
    with pytest.raises(CrlRefused) as caught:
        ca.begin_crl().fed(octets).sign(last_number=last_number, now_us=now_us)
    assert caught.value.details() == {
        "reason": caught.value.reason,
        "wanted": caught.value.wanted,
        "got": caught.value.got,
    }
    return caught.value.reason


def changed(**changes: Any) -> CrlIssuer:
    own = CA.crl_issuer
    settings: dict[str, Any] = {
        "algorithm_der": own.algorithm_der,
        "issuer_der": own.issuer_der,
        "key_identifier": own.key_identifier,
    }
    return CrlIssuer(**(settings | changes))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "malformed"),
        (tbs() + b"\x00", "malformed"),
        (tbs(issuer=changed(algorithm_der=bytes.fromhex("300506032b6570"))), "algorithm"),
        (tbs(issuer=changed(issuer_der=b"\x30\x00")), "issuer"),
        (tbs(issuer=changed(key_identifier=b"k" * 20)), "key_identifier"),
        (tbs(number=7), "number"),
        (tbs(number=1), "number"),
        (tbs(number=6, base_number=5), "number"),
        (tbs(this_update_us=NOW_US - MAX_AGE_US - SECOND_US), "dates"),
        (tbs(this_update_us=NOW_US + MAX_AHEAD_US + SECOND_US), "dates"),
        (tbs(this_update_us=NOW_US - 60 * SECOND_US, next_update_us=NOW_US), "dates"),
        (tbs(next_update_us=NOW_US + MAX_VALIDITY_US + SECOND_US), "dates"),
    ],
    ids=range(12),
)
def test_what_must_not_be_signed_is_refused(octets, reason):
    assert refused(octets) == reason


def test_a_delta_crl_without_progress_is_refused():
    octets = tbs(number=8, base_number=7)
    equal = octets.replace(b"\x06\x03\x55\x1d\x14\x04\x03\x02\x01\x08",
                           b"\x06\x03\x55\x1d\x14\x04\x03\x02\x01\x07")  # fmt: skip
    assert equal != octets
    assert refused(equal) == "number"


def test_limits_are_reached_but_not_passed():
    for changes in (
        {"this_update_us": NOW_US - MAX_AGE_US},
        {"this_update_us": NOW_US + MAX_AHEAD_US},
        {"next_update_us": NOW_US + MAX_VALIDITY_US},
        {"number": 7, "base_number": 6},
    ):
        crl = x509.load_der_x509_crl(signed(**changes))
        assert crl.is_signature_valid(CA_KEYS[KeyType.P256].public_key())


def test_a_ca_that_may_not_sign_crls_signs_none():
    held = make_ca("certificates only")
    ca = LocalCA(issuer_id="x", signer=FileSigner(held.key), chain=[held.der])
    assert refused(tbs(ca), ca=ca) == "usage"
    free = make_ca("no key usage", extensions=[])
    ca = LocalCA(issuer_id="x", signer=FileSigner(free.key), chain=[free.der])
    assert x509.load_der_x509_crl(signed(ca)).is_signature_valid(free.key.public_key())


@pytest.mark.parametrize("offset", [-2 * DAY_US, 3653 * DAY_US], ids=["before", "after"])
def test_outside_its_own_validity_a_ca_signs_no_crl(offset):
    with pytest.raises(IssuerUnavailable):
        signed(now_us=NOW_US + offset)


def test_the_powers_are_found_by_their_protocols():
    assert isinstance(CA, CanSignCRL)
    assert isinstance(CA, CanIssueResponder)
    assert not isinstance(FileSigner(ec_key()), CanSignCRL)


@pytest.mark.parametrize("kind", CA_KEYS)
def test_openssl_refuses_a_certificate_once_it_stands_on_the_crl(tmp_path, kind):
    def openssl(*arguments: Any) -> tuple[int, str]:
        done = subprocess.run(
            ["openssl", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    now_us = int(time.time()) * SECOND_US
    ca = local_ca(CA_KEYS[kind], now_us)
    leaf = sign(ca, order(spki_der=spki_of(SUBJECT_KEYS["ec"])), now_us=now_us)
    root, end, listed = tmp_path / "root.pem", tmp_path / "leaf.pem", tmp_path / "crl.pem"
    root.write_bytes(ca_certificate(ca).public_bytes(Encoding.PEM))
    end.write_bytes(read(leaf).public_bytes(Encoding.PEM))
    others = [(SERIAL, now_us, RevocationReason.UNSPECIFIED)]
    entry = (bytes.fromhex(leaf.serial), now_us, RevocationReason.KEY_COMPROMISE)
    for number, entries, verdict in (
        (8, [], "leaf.pem: OK"),
        (9, others, "leaf.pem: OK"),
        (10, [*others, entry], "certificate revoked"),
    ):
        der = signed(ca, number=number, entries=entries, now_us=now_us)
        crl = x509.load_der_x509_crl(der)
        listed.write_bytes(crl.public_bytes(Encoding.PEM))
        code, said = openssl("crl", "-in", listed, "-CAfile", root, "-verify", "-noout")
        assert (code, said.strip()) == (0, "verify OK")
        _, said = openssl(
            *("verify", "-x509_strict", "-crl_check", "-CAfile", root, "-CRLfile", listed, end)
        )
        assert verdict in said
        assert findings("lint_crl", der, tmp_path, "-t", "CRL", "-p", "PKIX") == ""


def test_openssl_follows_partitions_and_pkilint_accepts_them(tmp_path):
    entries = [(SERIAL, NOW_US, RevocationReason.CERTIFICATE_HOLD)]
    delta = [(SERIAL, NOW_US, REMOVE_FROM_CRL)]
    for der in (
        signed(entries=entries, distribution_point=URL, freshest_url=URL),
        signed(entries=delta, distribution_point=URL, base_number=3),
    ):
        assert findings("lint_crl", der, tmp_path, "-t", "CRL", "-p", "PKIX") == ""


def test_pkilint_is_a_judge_that_can_say_no(tmp_path):
    broken = signed().replace(b"\x06\x03\x55\x1d\x14", b"\x06\x03\x55\x1d\x13")
    assert "crl_number_missing" in findings("lint_crl", broken, tmp_path, "-t", "CRL", "-p", "PKIX")
