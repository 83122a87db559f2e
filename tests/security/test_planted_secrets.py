"""Secrets planted wherever one can be sent or kept are in no answer, log, audit event or row."""

from __future__ import annotations

import base64
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction
from certctl.wire.der import OCTET_STRING, encode
from tests.harness.http import basic
from tests.harness.raw import RawClient, chunked, head, post
from tests.harness.records import all_events
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server
from tests.unit.wire import forge

PROFILE = "/.well-known/est/corp/"
ENROLL, REENROLL = PROFILE + "simpleenroll", PROFILE + "simplereenroll"
PASSWORD = "planted-enrollment-password-7f3a"
WRONG = "planted-mistyped-password-91bd"
PASSPHRASE = "planted-ca-passphrase-c04e"
CHALLENGE = "planted-challenge-password-5d20"
ONE_TIME = "planted-one-time-value-e8a6"
OCTETS = b"planted-exporter-octets-a1b2c3d4"
TOKEN = "planted-bearer-token-3c77"
COOKIE = "planted-cookie-0f19"
OTP_CHALLENGE = "1.2.840.113549.1.9.16.2.56"
REVOCATION_CHALLENGE = "1.2.840.113549.1.9.16.2.57"

TEXTS = (PASSWORD, WRONG, PASSPHRASE, CHALLENGE, ONE_TIME, TOKEN, COOKIE, OCTETS.decode())


def traces(user: str = "device") -> list[bytes]:
    """Each secret as itself, in hexadecimal, in base64 at each alignment, and in a header."""
    found = []
    for text in TEXTS:
        octets = text.encode()
        found += [octets, octets.hex().encode(), text.encode("utf-16-be")]
        for lead in range(3):
            # The middle of the base64 text, whatever stands around the secret.
            whole = base64.b64encode(bytes(lead) + octets)
            found.append(whole[4 : -4 - (len(whole) % 4)])
        found.append(base64.b64encode(f"{user}:{text}".encode()))
    return found


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose every secret is one of ours; logs as much as it can."""
    directory = tmp_path_factory.mktemp("vault")
    for name, text in (("password", PASSWORD), ("passphrase", PASSPHRASE)):
        (directory / name).write_text(text + "\n")
        (directory / name).chmod(0o600)
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD_FILE": str(directory / "password"),
        "ISSUER_ISS_LOCAL_CA_KEY_PASSPHRASE_FILE": str(directory / "passphrase"),
        "LOG_LEVEL": "debug",
        "SHUTDOWN_GRACE": "1s",
    }
    with configured_server(directory, settings) as running:
        yield running


def requests(password: str) -> Iterator[bytes]:
    """Grants and refusals of every kind, with secrets in each place that can hold one."""
    right = f"Authorization: {basic('device', password)['Authorization']}"
    wrong = f"Authorization: {basic('device', WRONG)['Authorization']}"
    challenge = forge.attribute(forge.CHALLENGE, encode(forge.UTF8, CHALLENGE.encode()))
    linking = forge.attribute(forge.LINKING, encode(forge.UTF8, ONE_TIME.encode()))
    one_time = forge.attribute(OTP_CHALLENGE, encode(forge.UTF8, ONE_TIME.encode()))
    revocation = forge.attribute(REVOCATION_CHALLENGE, encode(forge.UTF8, ONE_TIME.encode()))
    octets = forge.attribute(OTP_CHALLENGE, encode(OCTET_STRING, OCTETS))
    carrying = forge.request(challenge, one_time, revocation)
    yield post(ENROLL, forge.request(challenge), right, f"Cookie: s={COOKIE}")
    yield post(ENROLL, carrying, right)
    yield post(ENROLL, base64.encodebytes(carrying), right)
    yield post(REENROLL, forge.request(challenge), right)
    yield post(ENROLL, forge.request(linking), right)
    yield post(ENROLL, forge.request(octets), right)
    yield post(ENROLL, carrying, wrong)
    yield post(ENROLL, carrying, f"Authorization: Bearer {TOKEN}", f"X-Api-Key: {TOKEN}")
    yield post(ENROLL, carrying, f"Authorization: Basic {password}")
    yield post(ENROLL, carrying, f"Authorization: {password}")
    yield post(f"{ENROLL}?password={password}&token={TOKEN}", carrying, right)
    yield post(f"/{password}", carrying, right)
    yield post(f"{PROFILE}{password}", carrying, right)
    yield head("GET", PROFILE + "cacerts", right, f"Cookie: s={COOKIE}")
    yield head("TRACE", ENROLL, right, f"Cookie: s={COOKIE}")
    yield post(ENROLL, password.encode(), right)
    yield post(ENROLL, carrying[:-1], right)
    yield post(ENROLL, carrying[:-1] + bytes([carrying[-1] ^ 1]), right)
    bad_name = forge.name((forge.CN, "bad\nname"))
    yield post(ENROLL, forge.request(challenge, subject=bad_name), right)
    two = forge.attribute(forge.CHALLENGE, *[encode(forge.UTF8, CHALLENGE.encode())] * 2)
    yield post(ENROLL, forge.request(two), right)
    no_text = forge.attribute(forge.CHALLENGE, encode(OCTET_STRING, CHALLENGE.encode()))
    yield post(ENROLL, forge.request(no_text), right)
    broken = forge.attribute(forge.CHALLENGE, encode(0x12, CHALLENGE.encode() + b"\xff"))
    yield post(ENROLL, forge.request(broken), right)
    yield head("POST", ENROLL, right, "Transfer-Encoding: chunked") + chunked(carrying)


def test_secrets_are_nowhere(vault: RunningServer) -> None:
    answers = b""
    statuses = set()
    for octets in requests(PASSWORD):
        with RawClient(vault) as client:
            client.send(octets)
            answer = client.answer()
        statuses.add(answer.status)
        answers += answer.body + repr(answer.headers).encode()
    # The attacks reached the whole of the program: grants, and refusals of every gate.
    assert {200, 400, 401, 403, 404, 405} <= statuses
    _broken_requests(vault)
    vault.stop()  # everything is on record after this
    _assert_all_kinds_recorded(vault)
    kept = {"the answers": answers, "the log": vault.log_file.read_bytes()}
    for path in (vault.directory / "data").rglob("*"):
        if path.is_file() and path.suffix != ".key":
            kept[str(path)] = path.read_bytes()
    assert vault.database.name in {Path(each).name for each in kept}
    for place, octets in kept.items():
        for trace in traces():
            assert trace not in octets, (place, trace)
    # The key file itself: encrypted, and not with the passphrase beside it.
    key = (vault.directory / "data" / "ca-iss-local.key").read_bytes()
    assert b"ENCRYPTED PRIVATE KEY" in key
    assert PASSPHRASE.encode() not in key


def _broken_requests(server: RunningServer) -> None:
    """What HTTP and TLS refuse by themselves, with secrets in it."""
    right = f"Authorization: {basic('device', PASSWORD)['Authorization']}"
    for octets in (
        head("BREW", ENROLL, right),
        head("POST", ENROLL, right, "Content-Length: x"),
        head("POST", ENROLL, right, f"X-{PASSWORD}\x01: a"),
        head("POST", ENROLL, right, *[f"X: {TOKEN}"] * 101),
        head("GET", f"/{TOKEN * 200}", right),
    ):
        with RawClient(server) as client:
            client.send(octets)
            assert client.answer().status in (400, 414, 431)
    plain = ssl.create_default_context(cafile=str(server.ca_file))
    plain.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        RawClient(server, context=plain)


def _assert_all_kinds_recorded(server: RunningServer) -> None:
    """Else a secret might be missing only because its event is."""
    assert {recorded.event.action for recorded in all_events(server)} >= {
        AuditAction.SIMPLE_ENROLL_SUCCESS,
        AuditAction.SIMPLE_REENROLL_SUCCESS,
        AuditAction.AUTH_FAILED_BASIC,
        AuditAction.AUTH_FAILED_CHANNEL_BINDING,
        AuditAction.CSR_POLICY_VIOLATION,
        AuditAction.SIMPLE_ENROLL_FAILED,
    }


def test_the_search_would_find_them() -> None:
    """A control: each form of each secret is found where it stands."""
    for text in TEXTS:
        for shown in (
            text.encode(),
            text.encode().hex().encode(),
            base64.b64encode(text.encode()),
            base64.b64encode(b"x" + text.encode()),
            base64.b64encode(b"xy" + text.encode() + b"z"),
            basic("device", text)["Authorization"].encode(),
        ):
            assert any(trace in b"before " + shown + b" after" for trace in traces())


def test_check_shows_no_secret(vault: RunningServer) -> None:
    """``certctl-server check`` on the same settings prints none of them."""
    done = subprocess.run(
        [PROGRAM, "check"],
        env=clean_environment(vault.environment),
        cwd=vault.directory,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert b"corp" in done.stdout
    for trace in traces():
        assert trace not in done.stdout + done.stderr
