"""openssl and curl ask our responder over HTTP, before and after a revocation."""

from __future__ import annotations

import base64
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ocsp import Revoked, Standing
from certctl.domain.revocation import RevocationReason
from certctl.issuers.ocsp_answers import OcspAnswers
from certctl.issuers.responder import Responder
from certctl.wire.ocsp_request import OcspIssuer
from tests.unit.issuers.ocsp_server import Desk, serving
from tests.unit.issuers.orders import order, spki_of
from tests.unit.issuers.test_local_sign import (
    CA_KEYS,
    SUBJECT_KEYS,
    ca_certificate,
    local_ca,
    read,
    sign,
)


def clock() -> int:
    return int(time.time() * SECOND_US)


class World:
    """A CA, one device and a responder that is really asked."""

    def __init__(self, kind: Any, folder: Path) -> None:
        self.ca = local_ca(CA_KEYS[kind], clock())
        self.leaf = sign(self.ca, order(spki_der=spki_of(SUBJECT_KEYS["ec"])), now_us=clock())
        issuer = OcspIssuer(
            issuer_der=ca_certificate(self.ca).subject.public_bytes(),
            spki_der=spki_of(CA_KEYS[kind]),
        )
        responder, _ = Responder.make(self.ca, now_us=clock(), validity_us=DAY_US)
        self.desk = Desk(OcspAnswers(issuer, responder), clock)
        self.desk.standings[self.leaf.serial] = Standing.GOOD
        self.root, self.end, self.der = folder / "root.pem", folder / "leaf.pem", folder / "r.der"
        self.root.write_bytes(ca_certificate(self.ca).public_bytes(Encoding.PEM))
        self.end.write_bytes(read(self.leaf).public_bytes(Encoding.PEM))

    def revoke(self) -> None:
        self.desk.standings[self.leaf.serial] = Revoked(clock(), RevocationReason.KEY_COMPROMISE)
        self.desk.answers.forget(self.leaf.serial)

    def openssl(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            ["openssl", "ocsp", "-issuer", self.root, "-CAfile", self.root, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr


@pytest.fixture(params=CA_KEYS)
def world(request, tmp_path):
    return World(request.param, tmp_path)


@pytest.fixture
def one_world(tmp_path):
    return World(next(iter(CA_KEYS)), tmp_path)


@pytest.mark.parametrize("how", ["-no_nonce", "-nonce"])
@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_openssl_by_post(world, how, digest):
    with serving(world.desk) as url:
        for words in ("good", "revoked"):
            said = world.openssl(how, digest, "-cert", world.end, "-url", url)
            assert "Response verify OK" in said
            assert f"leaf.pem: {words}" in said
            assert "WARNING" not in said
            world.revoke()
        assert "Reason: keyCompromise" in said


def test_a_second_question_is_answered_from_what_is_kept(one_world):
    with serving(one_world.desk) as url:
        for _ in range(3):
            assert ": good" in one_world.openssl("-no_nonce", "-cert", one_world.end, "-url", url)
        assert one_world.desk.signed == 1
        one_world.revoke()
        for _ in range(2):
            said = one_world.openssl("-no_nonce", "-cert", one_world.end, "-url", url)
            assert ": revoked" in said
        assert one_world.desk.signed == 2


def test_openssl_asks_about_several_at_once(one_world):
    with serving(one_world.desk) as url:
        said = one_world.openssl(
            *("-cert", one_world.end, "-serial", "0x1234", "-url", url, "-nonce")
        )
    assert "Response verify OK" in said
    assert "leaf.pem: good" in said
    assert "0x1234: unknown" in said


def test_openssl_is_told_that_another_issuer_is_not_ours(one_world, tmp_path):
    (tmp_path / "other").mkdir()
    other = World(list(CA_KEYS)[1], tmp_path / "other")
    with serving(one_world.desk) as url:
        assert "unauthorized (6)" in other.openssl("-cert", other.end, "-url", url)


def curl(url: str, *options: str) -> bytes:
    done = subprocess.run(
        ["curl", "-sS", "--fail", "--max-time", "30", *options, url],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_by_get(one_world):
    request = one_world.der.with_name("q.der")
    one_world.openssl("-no_nonce", "-cert", one_world.end, "-reqout", request)
    octets = request.read_bytes()
    text = base64.b64encode(octets).decode()
    tails = [quote(text, safe=""), text, "/" + text, one_world.leaf.serial]
    tails.append(one_world.leaf.serial.upper())
    with serving(one_world.desk) as url:
        for words in ("good", "revoked"):
            for tail in tails:
                one_world.der.write_bytes(curl(f"{url}/{tail}", "--path-as-is"))
                said = one_world.openssl(
                    *("-no_nonce", "-cert", one_world.end, "-respin", one_world.der)
                )
                assert "Response verify OK" in said
                assert f"leaf.pem: {words}" in said
            one_world.revoke()
        status = ocsp.load_der_ocsp_response(curl(f"{url}/zzz")).response_status
        assert status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_openssl_verify_asks_for_no_status_of_the_responder(one_world):
    """id-pkix-ocsp-nocheck and OCSPSigning are what makes the delegation hold."""
    with serving(one_world.desk) as url:
        said = one_world.openssl(
            *("-cert", one_world.end, "-url", url, "-resp_text", "-respout", one_world.der)
        )
    assert "OCSP Signing" in said
    assert "OCSP No Check" in said
    assert "Response verify OK" in said
