"""The device-state hook in a running server: asked last, fails closed, its URL is a secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from tests.harness.device import Device
from tests.harness.hook import HookService, hook_service
from tests.harness.http import basic
from tests.harness.raw import Answer, RawClient, post
from tests.harness.records import Ledger, Refused, all_events
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL, assert_refused

PASSWORD = "hook-password-0001"
TOKEN = "hook-token-7351"
FAILED = Refused(
    action=AuditAction.DEVICE_STATE_FAILED,
    reason="device_state",
    counter=Counter.CSR_POLICY_VIOLATION,
)
DECEIVING = Refused(
    action=AuditAction.CSR_POLICY_VIOLATION, reason="name", counter=Counter.CSR_POLICY_VIOLATION
)


@pytest.fixture(scope="module")
def hook() -> Iterator[HookService]:
    with hook_service() as service:
        yield service


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hook: HookService) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_DEMO_DEVICE_STATE_HOOK": hook.url,
    }
    with configured_server(tmp_path_factory.mktemp("hook"), settings) as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(hook: HookService) -> None:
    hook.says()
    hook.questions.clear()


def ask(server: RunningServer, device: Device, *, password: str = PASSWORD) -> Answer:
    line = "Authorization: " + basic("device", password)["Authorization"]
    with RawClient(server) as client:
        client.send(post(ENROLL, device.csr().public_bytes(Encoding.DER), line))
        return client.answer()


def test_asked_before_each_answer_also_a_repeated_one(
    server: RunningServer, hook: HookService
) -> None:
    device = Device(server.directory, "pump")
    ledger = Ledger(server)
    first, again = ask(server, device), ask(server, device)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert [question["subject"] for question in hook.questions] == ["CN=pump", "CN=pump"]
    assert hook.questions[0]["profile"] == "demo"
    assert hook.questions[0]["principal"] == "device"
    hook.says(b'{"allow": false}')
    assert_refused(ask(server, device), 403, "state of this device")
    ledger.expect(FAILED, issued=1, repeated=1)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"allow": false, "reason": "in \\u001b quarantine"}', 200), (b"{}", 200), (b"", 500)],
    ids=["no", "nothing", "error"],
)
def test_a_no_is_refused_and_on_record(
    server: RunningServer, hook: HookService, body: bytes, status: int
) -> None:
    hook.says(body, status=status)
    ledger = Ledger(server)
    answer = ask(server, Device(server.directory, f"denied-{status}-{len(body)}"))
    assert_refused(answer, 403, "DEVICE_STATE_HOOK")
    if b"quarantine" in body:
        assert "quarantine" in answer.text
    ledger.expect(FAILED)


def test_a_slow_hook_is_a_no_and_holds_nobody_else_up(
    server: RunningServer, hook: HookService
) -> None:
    hook.says(wait=4.0)
    ledger = Ledger(server)
    assert_refused(ask(server, Device(server.directory, "slow")), 403, "in time")
    ledger.expect(FAILED)


def test_never_asked_for_what_another_gate_refuses(
    server: RunningServer, hook: HookService
) -> None:
    ledger = Ledger(server)
    assert ask(server, Device(server.directory, "a\u202eb")).status == 403
    assert ask(server, Device(server.directory, "pump"), password="wrong").status == 401
    wrong = replace(
        DECEIVING,
        action=AuditAction.AUTH_FAILED_BASIC,
        reason="wrong_password",
        counter=Counter.AUTH_FAILED_BASIC,
    )
    ledger.expect(DECEIVING, wrong)
    assert hook.questions == []


def test_the_url_is_in_no_log_record_or_answer(server: RunningServer, hook: HookService) -> None:
    hook.says(b"", status=302)
    answer = ask(server, Device(server.directory, "secretive"))
    assert TOKEN not in answer.text
    assert TOKEN not in server.log()
    assert all(TOKEN not in repr(each) for each in all_events(server))
