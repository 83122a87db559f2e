"""Guessing passwords: a source that fails too often waits, and nobody else does (est §3)."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.store.reader import LOCKED_EVERY_SECONDS
from tests.harness.device import Device
from tests.harness.http import basic, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.raw import Answer, RawClient, crowd, head, new_source, post
from tests.harness.records import Ledger, Refused, refused
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import assert_refused
from tests.unit.wire import forge

ENROLL = "/.well-known/est/corp/simpleenroll"
PASSWORD = "corp-password-0001"
OTHER = "/.well-known/est/iot/simpleenroll"
OTHER_PASSWORD = "iot-password-00002"
FAILURES = 4
WINDOW_SECONDS = 900
FOLDED_SECONDS = 1.5
GARBAGE = b"not a request"
# A request reaches its worker much sooner; if not, the test only attacks less.
ON_THE_WAY_SECONDS = 0.5

ACTION = AuditAction.AUTH_FAILED_BASIC
COUNTER = Counter.AUTH_FAILED_BASIC
FACTORY = ForeignCA("factory")


def wrong(times: int = 1, profile: str = "corp") -> Refused:
    return Refused(
        action=ACTION, reason="wrong_password", counter=COUNTER, times=times, profile=profile
    )


def waits(times: int = 1, profile: str = "corp") -> Refused:
    return Refused(
        action=ACTION, reason="locked_out", counter=COUNTER, times=times, profile=profile
    )


def settings(directory: Path) -> dict[str, str]:
    bundle = str(FACTORY.bundle(directory / "factory.pem"))
    return {
        "EST_PROFILES": "corp,iot",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": bundle,
        "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
        "EST_PROFILE_IOT_ENROLLMENT_PASSWORD": OTHER_PASSWORD,
        "EST_LOCKOUT_FAILURES": str(FAILURES),
        "EST_LOCKOUT_WINDOW": f"{WINDOW_SECONDS}s",
    }


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("corp")
    with configured_server(directory, settings(directory)) as running:
        yield running


@pytest.fixture(autouse=True)
def _settled(corp: RunningServer) -> None:
    """What the test before left folded in the workers goes on record in its own second."""
    last = -1
    while last != (last := last_seq(corp)):
        time.sleep(FOLDED_SECONDS)


def last_seq(server: RunningServer) -> int:
    records = server.records()
    (head,) = records.chain_heads()
    records.close()
    return head.seq


def credential(password: str, user: str = "device") -> str:
    return "Authorization: " + basic(user, password)["Authorization"]


def body(name: str) -> bytes:
    return base64.b64encode(forge.request(subject=forge.name((forge.CN, name))))


def ask(
    server: RunningServer,
    source: str,
    *lines: str,
    path: str = ENROLL,
    content: bytes | None = None,
) -> Answer:
    """One request on a connection of its own, so that any worker may get it."""
    with RawClient(server, source=source) as client:
        client.send(post(path, body("device") if content is None else content, *lines))
        return client.answer()


def guess(server: RunningServer, source: str, times: int, *, path: str = ENROLL) -> None:
    for number in range(times):
        assert_refused(
            ask(server, source, credential(f"guess-{number}"), path=path), 401, "HTTP Basic"
        )


def assert_waits(answer: Answer) -> None:
    assert_refused(answer, 429, "wrong passwords")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
    assert "www-authenticate" not in answer.headers


def test_even_the_right_password_waits_after_too_many_wrong_ones(corp: RunningServer) -> None:
    source = new_source()
    ledger = Ledger(corp, path=ENROLL)
    guess(corp, source, FAILURES)
    for _ in range(4):
        assert_waits(ask(corp, source, credential(PASSWORD)))
        assert_waits(ask(corp, source, credential("another guess")))
    change = ledger.expect(wrong(FAILURES), waits(8))
    mine = [each for each in change.events if each.source_address == source]
    told = [each.details["failures"] for each in mine]
    assert told[:FAILURES] == list(range(1, FAILURES + 1))
    assert set(told[FAILURES:]) == {FAILURES}


def test_guesses_sent_at_once_get_no_more_answers(corp: RunningServer) -> None:
    """Through both workers, the right one among them, and with bodies that are none.

    The authority stands still until all of them are with the workers, so that no look at
    the records can help. A right password that is answered with 400 beside wrong ones that
    are answered with 429 would have been found.
    """
    source = new_source()
    guesses = [f"guess-{number}" for number in range(40)]
    ledger = Ledger(corp, path=ENROLL)
    clients = {each: RawClient(corp, source=source) for each in (*guesses, PASSWORD)}
    (authority,) = corp.processes()["authority"]
    os.kill(authority, signal.SIGSTOP)
    try:
        for password in guesses:
            clients[password].send(post(ENROLL, GARBAGE, credential(password)))
        time.sleep(ON_THE_WAY_SECONDS)
        clients[PASSWORD].send(post(ENROLL, GARBAGE, credential(PASSWORD)))
        time.sleep(ON_THE_WAY_SECONDS)
    finally:
        os.kill(authority, signal.SIGCONT)
    with crowd([*clients.values()]):
        found = {password: client.answer().status for password, client in clients.items()}
    assert found.pop(PASSWORD) == 429
    assert sorted(found.values()) == [401] * FAILURES + [429] * (len(guesses) - FAILURES)
    ledger.expect(wrong(FAILURES), waits(len(guesses) + 1 - FAILURES))


def test_a_success_in_between_clears_the_count(corp: RunningServer) -> None:
    source = new_source()
    ledger = Ledger(corp, path=ENROLL)
    for number in range(3):
        guess(corp, source, FAILURES - 1)
        answer = ask(corp, source, credential(PASSWORD), content=body(f"good-{number}"))
        assert answer.status == 200, answer.text
    ledger.expect(wrong(3 * (FAILURES - 1)), issued=3)


def test_a_right_password_clears_the_count_even_if_its_request_is_refused(
    corp: RunningServer,
) -> None:
    source = new_source()
    malformed = Refused(
        action=AuditAction.SIMPLE_ENROLL_FAILED,
        reason="csr_invalid",
        counter=Counter.CSR_INVALID,
        times=3,
        profile="corp",
    )
    ledger = Ledger(corp, path=ENROLL)
    for _ in range(3):
        guess(corp, source, FAILURES - 1)
        assert_refused(ask(corp, source, credential(PASSWORD), content=GARBAGE), 400)
    ledger.expect(wrong(3 * (FAILURES - 1)), malformed)


def test_requests_without_credentials_are_never_counted(corp: RunningServer) -> None:
    source = new_source()
    ledger = Ledger(corp, path=ENROLL)
    for _ in range(3 * FAILURES):
        assert_refused(ask(corp, source, "Accept: */*"), 401)
    ledger.expect_nothing()
    assert ask(corp, source, credential(PASSWORD), content=body("patient")).status == 200


def test_a_victim_is_not_locked_out_by_failing_under_its_name_elsewhere(
    corp: RunningServer,
) -> None:
    attacker, victim = new_source(), new_source()
    ledger = Ledger(corp, path=ENROLL)
    for number in range(3 * FAILURES):
        status = ask(corp, attacker, credential(f"guess-{number}", user="victim")).status
        assert status == (401 if number < FAILURES else 429)
    answer = ask(corp, victim, credential(PASSWORD, user="victim"), content=body("victim"))
    assert answer.status == 200
    ledger.expect(wrong(FAILURES), waits(2 * FAILURES), issued=1)


def test_changing_name_or_profile_is_no_way_around(corp: RunningServer) -> None:
    source = new_source()
    guess(corp, source, FAILURES // 2)
    guess(corp, source, FAILURES - FAILURES // 2, path=OTHER)
    with refused(corp, ACTION, "locked_out", COUNTER, profile="iot"):
        assert_waits(ask(corp, source, credential(OTHER_PASSWORD, user="someone"), path=OTHER))


def test_it_stops_neither_get_nor_client_certificates(corp: RunningServer, tmp_path: Path) -> None:
    source = new_source()
    guess(corp, source, FAILURES)
    device = FACTORY.equip(Device(tmp_path, "with-a-certificate"))
    assert device.certificate is not None
    context = tls_context(corp.ca_file, certificate=device.certificate_file, key=device.key_file)
    with RawClient(corp, source=source) as client:
        client.send(head("GET", "/.well-known/est/corp/cacerts", credential("wrong")))
        assert client.answer().status == 200
    with RawClient(corp, source=source, context=context) as client:
        client.send(post(ENROLL, device.body(), credential("wrong")))
        assert client.answer().status == 200
    assert_waits(ask(corp, source, credential(PASSWORD)))


def test_other_schemes_count_like_wrong_passwords(corp: RunningServer) -> None:
    source = new_source()
    for line in ("Authorization: Bearer x", "Authorization: Basic ?", "Authorization: Digest a=b"):
        assert_refused(ask(corp, source, line), 401)
    guess(corp, source, FAILURES - 3)
    assert_waits(ask(corp, source, credential(PASSWORD)))


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    source = new_source()
    server = configured_server(tmp_path, settings(tmp_path))
    with server:
        guess(server, source, FAILURES)
        server.stop()
        server.start()
        with refused(server, ACTION, "locked_out", COUNTER, profile="corp"):
            assert_waits(ask(server, source, credential(PASSWORD)))


def test_a_source_that_waits_costs_the_authority_nothing(tmp_path: Path) -> None:
    """It is refused by what is on record: the authority stands still meanwhile."""
    source = new_source()
    server = configured_server(tmp_path, settings(tmp_path))
    with server:
        guess(server, source, FAILURES)
        # Workers ask twice a second who is locked out.
        time.sleep(2 * LOCKED_EVERY_SECONDS)
        ledger = Ledger(server, path=ENROLL)
        (authority,) = server.processes()["authority"]
        os.kill(authority, signal.SIGSTOP)
        try:
            assert_waits(ask(server, source, credential(PASSWORD)))
            assert_waits(ask(server, source, credential("another guess")))
        finally:
            os.kill(authority, signal.SIGCONT)
        ledger.expect(waits(2))


def test_a_window_ends(tmp_path: Path) -> None:
    source = new_source()
    server = configured_server(tmp_path, settings(tmp_path) | {"EST_LOCKOUT_WINDOW": "3s"})
    with server:
        guess(server, source, FAILURES)
        refusal = ask(server, source, credential(PASSWORD))
        assert refusal.status == 429
        time.sleep(int(refusal.headers["retry-after"]))
        answer = ask(server, source, credential(PASSWORD))
        assert answer.status == 200, answer.text
