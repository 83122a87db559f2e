"""The limit per principal from outside: by name and source, shared by workers, kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.raw import Answer, RawClient, new_source, post
from tests.harness.records import Ledger, Refused
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL, assert_refused

PASSWORD = "limited-password-01"
LIMIT = 3
LIMITED = Refused(
    action=AuditAction.RATE_LIMITED, reason="rate_limited", counter=Counter.RATE_LIMITED
)

DECEIVING = Refused(
    action=AuditAction.CSR_POLICY_VIOLATION, reason="name", counter=Counter.CSR_POLICY_VIOLATION
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_DEMO_RATE_LIMIT_PER_PRINCIPAL_24H": str(LIMIT),
    }
    with configured_server(tmp_path_factory.mktemp("limited"), settings) as running:
        yield running


def ask(server: RunningServer, device: Device, source: str, *, user: str = "device") -> Answer:
    """One request on a connection of its own, so that any worker may get it."""
    line = "Authorization: " + basic(user, PASSWORD)["Authorization"]
    with RawClient(server, source=source) as client:
        client.send(post(ENROLL, device.csr().public_bytes(Encoding.DER), line))
        return client.answer()


def fresh(server: RunningServer, common_name: str) -> Device:
    """The same name with a new key: a new request each time."""
    return Device(server.directory, common_name)


def test_all_workers_share_one_window(server: RunningServer) -> None:
    source, ledger = new_source(), Ledger(server)
    with ThreadPoolExecutor(8) as pool:
        answers = [
            each.result()
            for each in [
                pool.submit(ask, server, fresh(server, "crowd"), source, user=f"user-{n}")
                for n in range(16)
            ]
        ]
    assert sorted(answer.status for answer in answers) == [200] * LIMIT + [429] * 13
    for answer in answers:
        if answer.status == 429:
            assert_refused(answer, 429, f"{LIMIT} certificates", "24 hours")
            assert 86_000 < int(answer.headers["retry-after"]) <= 86_400
    ledger.expect(replace(LIMITED, times=13), issued=LIMIT)


def test_a_restart_forgets_nothing(server: RunningServer) -> None:
    source = new_source()
    for _ in range(LIMIT):
        assert ask(server, fresh(server, "restarted"), source).status == 200
    server.stop()
    server.start()
    ledger = Ledger(server)
    assert ask(server, fresh(server, "restarted"), source).status == 429
    ledger.expect(LIMITED)


def test_repeats_are_answered_at_the_limit_and_refusals_are_not_counted(
    server: RunningServer,
) -> None:
    source, ledger = new_source(), Ledger(server)
    devices = [fresh(server, "patient") for _ in range(LIMIT)]
    weak = fresh(server, "pat\u202eient")
    first = [ask(server, device, source) for device in devices[:2]]
    for _ in range(LIMIT):
        assert ask(server, weak, source).status == 403
    last = ask(server, devices[2], source)
    assert [answer.status for answer in (*first, last)] == [200] * LIMIT
    again = ask(server, devices[2], source)
    assert (again.status, again.body) == (200, last.body)
    assert ask(server, fresh(server, "patient"), source).status == 429
    ledger.expect(LIMITED, replace(DECEIVING, times=LIMIT), issued=LIMIT, repeated=1)


def test_nobody_spends_a_victims_window_from_elsewhere(server: RunningServer) -> None:
    victim, attacker = new_source(), new_source()
    for _ in range(LIMIT):
        assert ask(server, fresh(server, "victim"), attacker).status == 200
    ledger = Ledger(server)
    assert ask(server, fresh(server, "victim"), attacker).status == 429
    assert ask(server, fresh(server, "victim"), victim).status == 200
    ledger.expect(LIMITED, issued=1)


def test_other_users_of_the_password_do_not_stretch_it(server: RunningServer) -> None:
    """Who logs in is the attacker's choice; the name and the line are not."""
    source = new_source()
    for number in range(LIMIT):
        assert ask(server, fresh(server, "one"), source, user=f"a{number}").status == 200
    ledger = Ledger(server)
    assert ask(server, fresh(server, "one"), source, user="another").status == 429
    ledger.expect(LIMITED)
