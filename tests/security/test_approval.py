"""Approval from outside: nobody gets a certificate before enough people have said yes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.authority.commands import ApproveRequest, RequestDecided
from certctl.domain.audit import AuditAction, Counter
from certctl.settings.env import load_settings
from certctl.wiring import host
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.raw import Answer, RawClient, post
from tests.harness.records import Ledger, Refused, all_events
from tests.harness.server import RunningServer, clean_environment, ruled_server
from tests.security.enrollment import ENROLL, assert_refused

PASSWORD = "approval-password-01"
DENIED = Refused(
    action=AuditAction.REQUEST_DENIED, reason="denied", counter=Counter.CSR_POLICY_VIOLATION
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
    }
    rules = {"requires_approval": True, "approvals_needed": 2}
    with ruled_server(tmp_path_factory.mktemp("approval"), settings, rules) as running:
        yield running


def poll(server: RunningServer, device: Device, *, user: str = "device") -> Answer:
    line = "Authorization: " + basic(user, PASSWORD)["Authorization"]
    with RawClient(server) as client:
        client.send(post(ENROLL, device.csr().public_bytes(Encoding.DER), line))
        return client.answer()


def operate(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*server.program, *for_people("requests", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def begun(server: RunningServer, device: Device) -> str:
    """Id of the request that this device begins."""
    answer = poll(server, device)
    assert_refused(answer, 202, "waits for approval")
    assert answer.headers["retry-after"] == "60"
    found = [
        each.event.resource_id
        for each in all_events(server)
        if each.event.action is AuditAction.REQUEST_PENDING
        and each.event.details["subject"] == f"CN={device.common_name}"
    ]
    assert len(found) == 1
    return found[0]


def approve_as(server: RunningServer, request: str, actor: str) -> RequestDecided:
    """As an operator with another login would, over the authority's socket."""
    settings = load_settings(server.environment, None)
    command = ApproveRequest(request_id=request, reason="known device", actor=actor)
    return host.run_command(settings, command, answer=RequestDecided)


def test_one_person_is_not_two_and_polls_leave_nothing(server: RunningServer) -> None:
    device = Device(server.directory, "pump-1")
    ledger = Ledger(server)
    request = begun(server, device)
    listed = operate(server, "list")
    assert request in listed.stdout
    assert "CN=pump-1" in listed.stdout
    first = operate(server, "approve", request)
    assert "waiting, 1 of 2 approvals" in first.stdout, first.stderr
    second = operate(server, "approve", request)
    assert second.returncode == 1
    assert "different people" in second.stderr
    for _ in range(4):
        assert_refused(poll(server, device), 202, request)
    change = ledger.expect()
    assert [each.action for each in change.events] == [
        AuditAction.REQUEST_PENDING,
        AuditAction.REQUEST_APPROVED,
    ]

    approve_as(server, request, "host:somebody-else")
    assert poll(server, device).status == 200
    ledger.expect(issued=1)
    shown = operate(server, "show", request).stdout
    assert "approved by host:somebody-else: known device" in shown
    assert "-----BEGIN CERTIFICATE REQUEST-----" in shown
    assert "Nothing waits" in operate(server, "list").stdout


def test_a_name_in_the_environment_is_nobody(server: RunningServer) -> None:
    request = begun(server, Device(server.directory, "pump-2"))
    for name in ("alice", "bob"):
        server.environment |= dict.fromkeys(("USER", "LOGNAME", "SUDO_USER", "USERNAME"), name)
        operate(server, "approve", request)
    actors = [
        each.event.actor
        for each in all_events(server)
        if each.event.action is AuditAction.REQUEST_APPROVED and each.event.resource_id == request
    ]
    assert actors == [host.operator()]


def test_a_denial_stands_with_its_reason(server: RunningServer) -> None:
    device = Device(server.directory, "pump-3")
    request = begun(server, device)
    ledger = Ledger(server)
    assert operate(server, "deny", request, "--reason", " ").returncode == 2
    done = operate(server, "deny", request, "--reason", "not \x1b[31mours")
    assert "denied" in done.stdout, done.stderr
    assert_refused(poll(server, device), 403, "was denied", "not \\u001b[31mours")
    assert operate(server, "approve", request).returncode == 1
    assert "\x1b" not in operate(server, "show", request).stdout
    ledger.expect(DENIED)


def test_an_approval_is_for_that_very_request(server: RunningServer) -> None:
    device = Device(server.directory, "pump-4")
    request = begun(server, device)
    for actor in ("host:one", "host:two"):
        approve_as(server, request, actor)
    ledger = Ledger(server)
    # The same name with another key, and the same CSR from another user, wait by themselves.
    assert poll(server, Device(server.directory, "pump-4")).status == 202
    assert poll(server, device, user="thief").status == 202
    ledger.expect()


def test_what_is_no_request_is_not_found(server: RunningServer) -> None:
    for command in (("show", "absent"), ("approve", "absent"), ("deny", "absent", "--reason", "x")):
        done = operate(server, *command)
        assert done.returncode == 3
        assert "absent" in done.stderr
