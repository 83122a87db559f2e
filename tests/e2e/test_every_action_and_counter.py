"""Every audit action and every counter of records §5 and §6, made to happen from outside.

One real server. Each action leaves an event with its details filled; each counter ticks
once for its profile, and no other profile's counter moves. A new action or counter
without a case here fails.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.wire.attributes import CHALLENGE_PASSWORD
from tests.e2e.refusal_world import RefusalWorld, path_of
from tests.harness.api import first_key
from tests.harness.bound_client import BoundClient, as_text, csr
from tests.harness.device import name
from tests.harness.hook import hook_service
from tests.harness.http import fetch
from tests.harness.pages import Visitor
from tests.harness.raw import new_source, post
from tests.harness.records import all_events, counts
from tests.unit.wire import forge

WAIT_SECONDS = 15.0
MARKED = ("other", Counter.AUTH_FAILED_BASIC)

# Actions of records §5, as that page names them.
SPECIFIED = frozenset(
    {
        "est_simple_enroll_success",
        "est_simple_enroll_failed",
        "est_simple_reenroll_success",
        "est_simple_reenroll_failed",
        "est_server_keygen_success",
        "est_server_keygen_failed",
        "est_auth_failed_basic",
        "est_auth_failed_mtls",
        "est_auth_failed_channel_binding",
        "est_rate_limited",
        "est_csr_policy_violation",
        "est_bulk_revoke",
        "est_trust_anchor_reloaded",
        "est_fullcmc_success",
        "est_fullcmc_failed",
        "est_request_pending",
        "est_request_approved",
        "est_request_denied",
        "est_device_state_failed",
        "certificate_revoked",
        "api_key_created",
        "api_key_revoked",
        "config_changed",
        "intent_lost",
        "login_success",
        "login_failed",
    }
)

# What cannot happen yet, and why.
NOT_YET: Mapping[str, str] = {
    "est_server_keygen_success": "there is no server key generation",
    "est_server_keygen_failed": "there is no server key generation",
    "est_fullcmc_success": "there is no full CMC",
    "est_fullcmc_failed": "there is no full CMC",
}
# Ours beyond that page.
OURS = frozenset(
    {
        "certificate_released",
        "certificate_imported",
        "api_refused",
        "events_requeued",
        "audit_retention",
        "record_retention",
        "backup_made",
        "backup_restored",
        "login_ended",
        "issuer_tested",
    }
)
# What needs a world of its own, and where it is made to happen.
ELSEWHERE: Mapping[AuditAction, str] = {
    AuditAction.EVENTS_REQUEUED: "tests/e2e/test_events.py: a receiver that is gone for long",
    AuditAction.AUDIT_RETENTION: "tests/unit/jobs/test_retention.py: records that are old enough",
    AuditAction.RECORD_RETENTION: "tests/unit/jobs/test_retention.py: records that are old enough",
    AuditAction.BACKUP_RESTORED: "tests/e2e/test_backup.py: a second data directory",
}
NO_COUNTER_YET: Mapping[Counter, str] = {
    Counter.SUCCESS_SERVERKEYGEN: "there is no server key generation",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Act:
    """Something prepared: ``do`` makes it happen at this profile, with these details."""

    do: Callable[[], object]
    profile: str = "both"
    details: tuple[str, ...] = ()


Case = Callable[[RefusalWorld], Act]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefusalWorld]:
    with hook_service() as hook:
        made = RefusalWorld(tmp_path_factory.mktemp("actions"), hook)
        made.put_rules("off", {})
        made.make_stored_issuer()
        with made.server:
            yield made


def enrolls(world: RefusalWorld) -> Act:
    return Act(
        do=lambda: world.ask("both"),
        details=("serial", "subject", "issuer_id", "certificate_profile", "channel_binding"),
    )


def sends_no_csr(world: RefusalWorld) -> Act:
    return Act(do=lambda: world.ask("both", b"!!!!"), details=("reason", "fault", "note"))


def renews(world: RefusalWorld) -> Act:
    device = world.issued()
    return Act(
        do=lambda: world.renewed(device, "both", device.csr()),
        details=("serial", "subject", "issuer_id", "certificate_profile"),
    )


def renews_nothing(world: RefusalWorld) -> Act:
    return Act(do=lambda: world.ask("both", operation="simplereenroll"), details=("reason", "got"))


def guesses(world: RefusalWorld) -> Act:
    wrong = world.credentials("both", "wrong")
    return Act(do=lambda: world.ask("both", None, wrong), details=("reason", "user", "failures"))


def shows_an_expired_certificate(world: RefusalWorld) -> Act:
    ends = world.now.replace(year=world.now.year - 1)
    begins = world.now.replace(year=world.now.year - 2)
    shown = world.make(issuer=world.root, not_before=begins, not_after=ends)
    return Act(do=lambda: world.shown(shown), details=("reason", "subject", "issuer", "serial"))


def binds_to_another_connection(world: RefusalWorld) -> Act:
    def do() -> None:
        with BoundClient(world.server) as client:
            body = csr("bound", as_text(CHALLENGE_PASSWORD, bytes(32)))
            client.send(post(path_of("bound"), body, world.credentials("bound")))
            assert client.answer().status == 409

    return Act(do=do, profile="bound", details=("reason",))


def asks_for_too_much(world: RefusalWorld) -> Act:
    body = forge.request(
        forge.extensions(forge.eku(forge.SERVER_AUTH)), subject=forge.name((forge.CN, "server"))
    )
    return Act(do=lambda: world.ask("both", body), details=("dimension", "wanted", "got"))


def asks_too_often(world: RefusalWorld) -> Act:
    source, device = new_source(), world.device()
    assert world.ask("limited", device.body(), source=source).answer.status == 200
    again = type(device)(device.directory, device.common_name)
    return Act(
        do=lambda: world.ask("limited", again.body(), source=source),
        profile="limited",
        details=("reason", "limit", "retry_after"),
    )


def reloads_trust(world: RefusalWorld) -> Act:
    return Act(
        do=lambda: world.operate("trust", "reload", "--profile", "other"),
        profile="other",
        details=("path_id", "path", "sha256", "count", "reloaded_by"),
    )


def has_to_wait(world: RefusalWorld) -> Act:
    return Act(
        do=lambda: world.ask("careful"),
        profile="careful",
        details=("reason", "subject", "certificate_profile", "approvals_needed"),
    )


def decided(word: str) -> Case:
    def prepare(world: RefusalWorld) -> Act:
        request = world.ask("careful").answer.text.split(" as ")[1].split(".")[0]
        return Act(
            do=lambda: world.operate("requests", word, request, "--reason", "known"),
            profile="careful",
            details=("reason", "subject", "status", "approvals_needed"),
        )

    return prepare


def was_denied(world: RefusalWorld) -> Act:
    body = world.device().body()
    request = world.ask("careful", body).answer.text.split(" as ")[1].split(".")[0]
    world.operate("requests", "deny", request, "--reason", "not ours")
    return Act(do=lambda: world.ask("careful", body), profile="careful")


def is_in_a_bad_state(world: RefusalWorld) -> Act:
    world.hook.says(b'{"allow": false, "reason": "unpatched"}')
    return Act(do=lambda: world.ask("hooked"), profile="hooked", details=("reason", "note"))


def is_revoked(world: RefusalWorld) -> Act:
    certificate = world.issued().certificate
    assert certificate is not None
    serial = f"{certificate.serial_number:x}"
    return Act(
        do=lambda: world.operate("certificates", "revoke", serial),
        details=("reason", "serial", "subject"),
    )


def are_revoked_together(world: RefusalWorld) -> Act:
    device = world.issued()
    arguments = ("--principal", device.common_name, "--reason", "superseded", "--yes")
    return Act(
        do=lambda: world.operate("certificates", "bulk-revoke", *arguments),
        profile="",
        details=("reason", "source", "principal"),
    )


def is_released(world: RefusalWorld) -> Act:
    certificate = world.issued().certificate
    assert certificate is not None
    serial = f"{certificate.serial_number:x}"
    world.operate("certificates", "revoke", serial, "--reason", "certificateHold")
    return Act(
        do=lambda: world.operate("certificates", "release", serial), details=("serial", "subject")
    )


def is_imported(world: RefusalWorld) -> Act:
    file = world.directory / "foreign.pem"
    file.write_bytes(world.make(issuer=world.root).pem)
    return Act(
        do=lambda: world.operate("certificates", "import", str(file), "--issuer", "old"),
        profile="(imported)",
        details=("serial", "subject", "issuer"),
    )


def makes_a_key(world: RefusalWorld) -> Act:
    return Act(do=lambda: world.operate("keys", "create", "ops"), profile="", details=("name",))


def revokes_a_key(world: RefusalWorld) -> Act:
    world.operate("keys", "create", "leaver")
    keys = json.loads(world.operate("keys", "list").stdout)["data"]
    (key,) = [each["id"] for each in keys if each["name"] == "leaver"]
    return Act(do=lambda: world.operate("keys", "revoke", key), profile="", details=("name",))


def calls_the_api_with_a_wrong_key(world: RefusalWorld) -> Act:
    headers = {"Authorization": "Bearer wrong"}

    def do() -> None:
        assert fetch(world.server, "GET", "/api/v1/certificates", headers=headers).status == 401

    return Act(do=do, profile="", details=("reason",))


def asks_a_ca_that_mixes_up(world: RefusalWorld) -> Act:
    world.outside.mood("changed \"{'ekus': []}\"")
    return Act(
        do=lambda: world.ask("outside"),
        profile="outside",
        details=("reason", "note", "issuer_id", "intent", "subject", "serial"),
    )


def is_backed_up(world: RefusalWorld) -> Act:
    target = world.directory / "taken.backup"
    return Act(do=lambda: world.operate("backup", str(target)), profile="", details=("target",))


def logs_in(world: RefusalWorld) -> Act:
    key = first_key(world.server, "person")
    return Act(do=lambda: Visitor(world.server).log_in(key), profile="", details=("key_id",))


def tries_an_issuer(world: RefusalWorld) -> Act:
    headers = {"Authorization": f"Bearer {first_key(world.server, 'tester')}"}
    headers["Content-Type"] = "application/json"

    def do() -> None:
        path = "/api/v1/issuers/iss-local/test"
        assert fetch(world.server, "POST", path, headers=headers, body=b"{}").status == 200

    return Act(do=do, profile="", details=("tried", "milliseconds"))


def logs_in_with_a_wrong_key(world: RefusalWorld) -> Act:
    return Act(do=lambda: Visitor(world.server).log_in("no key"), profile="", details=("reason",))


def logs_out(world: RefusalWorld) -> Act:
    visitor = Visitor(world.server)
    visitor.log_in(first_key(world.server, "person"))
    return Act(do=lambda: visitor.post("/logout"), profile="", details=("key_id",))


def changes_rules(world: RefusalWorld) -> Act:
    return Act(do=lambda: world.put_rules("spare", {}), profile="")


def signs_with_another_key(world: RefusalWorld) -> Act:
    good = forge.request(subject=forge.name((forge.CN, "unsigned")))
    return Act(do=lambda: world.ask("both", good[:-1] + bytes([good[-1] ^ 1])))


def meets_a_damaged_record(world: RefusalWorld) -> Act:
    device = world.issued()
    world.damage(device)
    body = device.body(device.csr(name("another name")))
    return Act(do=lambda: world.ask("both", body))


def meets_an_expired_issuer(world: RefusalWorld) -> Act:
    world.until_away("short")
    return Act(do=lambda: world.ask("short"), profile="short")


ACTIONS: Mapping[AuditAction, Case] = {
    AuditAction.SIMPLE_ENROLL_SUCCESS: enrolls,
    AuditAction.SIMPLE_ENROLL_FAILED: sends_no_csr,
    AuditAction.SIMPLE_REENROLL_SUCCESS: renews,
    AuditAction.SIMPLE_REENROLL_FAILED: renews_nothing,
    AuditAction.AUTH_FAILED_BASIC: guesses,
    AuditAction.AUTH_FAILED_MTLS: shows_an_expired_certificate,
    AuditAction.AUTH_FAILED_CHANNEL_BINDING: binds_to_another_connection,
    AuditAction.CSR_POLICY_VIOLATION: asks_for_too_much,
    AuditAction.RATE_LIMITED: asks_too_often,
    AuditAction.TRUST_ANCHOR_RELOADED: reloads_trust,
    AuditAction.REQUEST_PENDING: has_to_wait,
    AuditAction.REQUEST_APPROVED: decided("approve"),
    AuditAction.REQUEST_DENIED: decided("deny"),
    AuditAction.DEVICE_STATE_FAILED: is_in_a_bad_state,
    AuditAction.CERTIFICATE_REVOKED: is_revoked,
    AuditAction.CONFIG_CHANGED: changes_rules,
    AuditAction.BULK_REVOKE: are_revoked_together,
    AuditAction.CERTIFICATE_RELEASED: is_released,
    AuditAction.CERTIFICATE_IMPORTED: is_imported,
    AuditAction.LOGIN_SUCCESS: logs_in,
    AuditAction.LOGIN_FAILED: logs_in_with_a_wrong_key,
    AuditAction.LOGIN_ENDED: logs_out,
    AuditAction.ISSUER_TESTED: tries_an_issuer,
    AuditAction.API_KEY_CREATED: makes_a_key,
    AuditAction.API_KEY_REVOKED: revokes_a_key,
    AuditAction.API_REFUSED: calls_the_api_with_a_wrong_key,
    AuditAction.INTENT_LOST: asks_a_ca_that_mixes_up,
    AuditAction.BACKUP_MADE: is_backed_up,
}
COUNTERS: Mapping[Counter, Case] = {
    Counter.SUCCESS_SIMPLEENROLL: enrolls,
    Counter.SUCCESS_SIMPLEREENROLL: renews,
    Counter.AUTH_FAILED_BASIC: guesses,
    Counter.AUTH_FAILED_MTLS: shows_an_expired_certificate,
    Counter.AUTH_FAILED_CHANNEL_BINDING: binds_to_another_connection,
    Counter.CSR_INVALID: sends_no_csr,
    Counter.CSR_POLICY_VIOLATION: asks_for_too_much,
    Counter.CSR_SIGNATURE_MISMATCH: signs_with_another_key,
    Counter.RATE_LIMITED: asks_too_often,
    Counter.INTERNAL_ERROR: meets_a_damaged_record,
    # Last: its CA has to expire first.
    Counter.ISSUER_ERROR: meets_an_expired_issuer,
}


def test_every_action_has_a_case_or_a_reason() -> None:
    assert set(ACTIONS) | set(ELSEWHERE) == set(AuditAction)
    assert set(ACTIONS) & set(ELSEWHERE) == set()
    assert {each.value for each in AuditAction} | set(NOT_YET) == SPECIFIED | OURS
    assert {each.value for each in AuditAction} & set(NOT_YET) == set()


def test_every_counter_has_a_case_or_a_reason() -> None:
    assert set(COUNTERS) | set(NO_COUNTER_YET) == set(Counter)
    assert len(Counter) == 12
    assert set(COUNTERS) & set(NO_COUNTER_YET) == set()


@pytest.mark.parametrize("action", ACTIONS)
def test_the_action_happens_with_its_details(world: RefusalWorld, action: AuditAction) -> None:
    act = ACTIONS[action](world)
    settled(world)
    before = max(recorded.seq for recorded in all_events(world.server))
    act.do()
    (event,) = awaited(world, action, before)
    assert event.profile == act.profile
    missing = [key for key in act.details if event.details.get(key) in (None, "", [])]
    assert not missing, event
    assert event.details
    assert event.actor
    assert event.time_us
    failed = action.value.endswith("_failed") or "_failed_" in action or action in REFUSALS
    assert event.outcome is (Outcome.FAILURE if failed else Outcome.SUCCESS)
    if event.actor_type == "est-client":
        assert event.source_address
        assert len(event.request_id) == 16
        assert event.tls_version == "TLSv1.3"


REFUSALS = (
    AuditAction.CSR_POLICY_VIOLATION,
    AuditAction.RATE_LIMITED,
    AuditAction.API_REFUSED,
    AuditAction.INTENT_LOST,
)


@pytest.mark.parametrize("counter", COUNTERS)
def test_the_counter_ticks_once_and_no_other_moves(world: RefusalWorld, counter: Counter) -> None:
    act = COUNTERS[counter](world)
    settled(world)
    before = counts(world.server)
    act.do()
    ticked = (act.profile, counter)
    until(lambda: counts(world.server).get(ticked, 0) > before.get(ticked, 0))
    settled(world)
    after = counts(world.server)
    rises = {key: number - before.get(key, 0) for key, number in after.items()}
    rises[MARKED] -= 1  # by ``settled``
    assert {key: rise for key, rise in rises.items() if rise} == {ticked: 1}


def test_a_denied_request_counts_as_one_against_policy(world: RefusalWorld) -> None:
    act = was_denied(world)
    settled(world)
    before = counts(world.server)
    act.do()
    ticked = ("careful", Counter.CSR_POLICY_VIOLATION)
    until(lambda: counts(world.server).get(ticked, 0) == before.get(ticked, 0) + 1)


def settled(world: RefusalWorld) -> None:
    """What the one worker has told the authority so far is on record: a mark came behind."""
    source = new_source()
    world.ask("other", b"", world.credentials("other", "a mark"), source=source)
    until(lambda: any(each.event.source_address == source for each in all_events(world.server)))


def awaited(world: RefusalWorld, action: AuditAction, after: int) -> list[AuditEvent]:
    found: list[AuditEvent] = []

    def come() -> bool:
        recorded = all_events(world.server, after=after)
        found[:] = [each.event for each in recorded if each.event.action is action]
        return bool(found)

    until(come)
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
