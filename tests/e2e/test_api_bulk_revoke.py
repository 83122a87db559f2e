"""Bulk revocation over REST: the guide's own line, hang-ups, kills, repetition, scope."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.bulk_revocation import SLICE
from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.ids import sortable_id
from certctl.store import open_writable
from tests.contract.samples import DAY, certificate
from tests.harness import guide
from tests.harness.api import ApiClient, first_key
from tests.harness.raw import RawClient
from tests.harness.records import all_events
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, clean_environment, configured_server

PATH = "/est/certificates/bulk-revoke"
WAIT_SECONDS = 60.0
BATCH = 1_000

ROWS: dict[str, tuple[int, dict[str, object]]] = {
    "guided": (2 * SLICE + 1, {"certificate_profile": "cp-iot-sensors"}),
    "left": (8 * SLICE, {"profile": "left"}),
    "killed": (20 * SLICE, {"profile": "killed"}),
    "repeated": (3, {"profile": "repeated"}),
    "north": (4, {"profile": "shared", "tenant": "north", "principal": "fleet"}),
    "south": (5, {"profile": "shared", "tenant": "south", "principal": "fleet"}),
    "imported": (2, {"profile": "repeated", "source": CertificateSource.API}),
}
"""How many certificates of which kind are on record before the server ever ran."""


@dataclass(frozen=True, slots=True)
class Site:
    server: RunningServer
    root: ApiClient
    ids: dict[str, list[str]]

    def statuses(self, kind: str) -> list[str]:
        return [self.root.get(f"/certificates/{each}")["status"] for each in self.ids[kind]]

    def events(self, action: AuditAction, after: int = 0) -> list[AuditEvent]:
        found = (each.event for each in all_events(self.server, after=after))
        return [each for each in found if each.action is action]

    def last(self) -> int:
        return all_events(self.server)[-1].seq


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"EST_ENABLED": "false", "RATE_LIMIT_ENABLED": "false", "WORKERS": "1"}
    server = configured_server(tmp_path_factory.mktemp("bulk"), settings)
    ids = filled(server)
    with server:
        yield Site(server, ApiClient(server, first_key(server)), ids)


def filled(server: RunningServer) -> dict[str, list[str]]:
    server.database.parent.mkdir(mode=0o700)
    store = open_writable(f"sqlite:///{server.database}", node="node-a")
    issued_us = time.time_ns() // 1_000 - 3_600 * SECOND_US
    ids: dict[str, list[str]] = {}
    number = 0
    for kind, (count, changes) in ROWS.items():
        rows = []
        for _ in range(count):
            number += 1
            row = replace(
                certificate(number, **changes),
                id=sortable_id(issued_us + number, os.urandom),
                issued_us=issued_us + number,
                not_after_us=issued_us + DAY,
            )
            rows.append(row)
        ids[kind] = [row.id for row in rows]
        for start in range(0, count, BATCH):
            with store.transaction() as transaction:
                transaction.record_certificates(rows[start : start + BATCH])
    store.close()
    return ids


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_line_of_the_guide(site: Site):
    after = site.last()
    ran = subprocess.run(
        ["bash", "-c", guide.mapped(guide.BULK_REVOKE, site.server)],
        env=clean_environment({"CERTCTL_API_KEY": site.root.key or ""}),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    )
    answer = json.loads(ran.stdout)
    count = len(site.ids["guided"])
    (begun,) = site.events(AuditAction.BULK_REVOKE, after)
    assert answer == {
        "operation": begun.resource_id,
        "dry_run": False,
        "total_matched": count,
        "total_revoked": count,
        "total_skipped": 0,
        "total_failed": 0,
        "errors": [],
    }
    assert begun.actor == begun.details["actor"] == "key:root"
    assert begun.details["profile_id"] == "cp-iot-sensors"
    revoked = site.events(AuditAction.CERTIFICATE_REVOKED, after)
    assert sorted(each.resource_id for each in revoked) == sorted(site.ids["guided"])
    assert {each.details["operation"] for each in revoked} == {begun.resource_id}
    assert {each.details["reason"] for each in revoked} == {"keyCompromise"}
    again = site.root.post(PATH, {"reason": "keyCompromise", "profile_id": "cp-iot-sensors"})
    assert (again["total_revoked"], again["total_skipped"]) == (0, count)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"reason": "keyCompromise"}, 400),
        ({"source": "API"}, 400),
        ({"dry_run": True}, 400),
        ({"certificate_ids": []}, 400),
        ({"serials": ["none"]}, 422),
        ({"profile_id": ""}, 400),
        ({"profil": "repeated"}, 422),
        ({"profile": None, "reason": "removeFromCRL", "tenant": "north"}, 422),
        ({"profile": "repeated", "dry_run": "perhaps"}, 422),
        ({"certificate_ids": ["' OR 1=1"]}, 422),
    ],
    ids=str,
)
def test_criteria_that_choose_everything_or_nothing_are_refused(
    site: Site, body: dict[str, object], status: int
):
    after = site.last()
    answer = site.root.send("POST", PATH, body)
    assert answer.status == status, answer.text
    assert site.events(AuditAction.BULK_REVOKE, after) == []
    assert site.events(AuditAction.CERTIFICATE_REVOKED, after) == []


def test_it_goes_on_when_its_client_leaves(site: Site):
    after = site.last()
    body = b'{"profile": "left", "reason": "superseded"}'
    head = (
        f"POST /api/v1{PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.root.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with RawClient(site.server) as client:
        client.send(head.encode() + body)
        until(lambda: bool(site.events(AuditAction.BULK_REVOKE, after)))
    begun = len(site.events(AuditAction.CERTIFICATE_REVOKED, after))
    wanted = len(site.ids["left"])
    assert begun < wanted, "it was over before the client left: nothing is shown"
    # Others are served meanwhile, by the one worker that there is.
    assert site.root.send("GET", "/version").status == 200
    until(lambda: len(site.events(AuditAction.CERTIFICATE_REVOKED, after)) == wanted)


def test_cut_off_by_a_killed_authority_the_same_request_goes_on(site: Site):
    after = site.last()
    body = {"profile": "killed", "reason": "superseded"}
    with ThreadPoolExecutor(1) as client:
        cut = client.submit(site.root.send, "POST", PATH, body, headers={"Idempotency-Key": "cut"})
        until(lambda: bool(site.events(AuditAction.CERTIFICATE_REVOKED, after)))
        (authority,) = site.server.processes()["authority"]
        os.kill(authority, signal.SIGKILL)
        answer = cut.result()
    assert (answer.status, json.loads(answer.body)["error"]) == (503, "bulk_revoke_interrupted")
    site.server.wait_ready()
    revoked = len(site.events(AuditAction.CERTIFICATE_REVOKED, after))
    wanted = len(site.ids["killed"])
    assert 0 < revoked < wanted
    assert revoked % SLICE == 0
    assert site.server.log_events("bulk_revocation_interrupted")

    done = site.root.post(PATH, body, Idempotency_Key="cut")
    assert (done["total_matched"], done["total_revoked"]) == (wanted, wanted - revoked)
    (begun,) = site.events(AuditAction.BULK_REVOKE, after)
    assert done["operation"] == begun.resource_id
    events = site.events(AuditAction.CERTIFICATE_REVOKED, after)
    assert len({each.resource_id for each in events}) == len(events) == wanted
    assert {each.details["operation"] for each in events} == {begun.resource_id}
    assert site.root.post(PATH, body, Idempotency_Key="cut") == done


def test_one_request_is_done_once_and_other_sources_are_left_alone(site: Site):
    after = site.last()
    ids = site.ids["repeated"] + site.ids["imported"] + ["0" * 32]
    body = {"certificate_ids": ids, "source": "API"}
    counted = site.root.post(PATH, body | {"dry_run": True}, Idempotency_Key="once")
    assert counted["operation"] is None
    assert site.events(AuditAction.BULK_REVOKE, after) == []
    first = site.root.post(PATH, body, Idempotency_Key="once")
    assert (first["total_matched"], first["total_revoked"], first["total_failed"]) == (3, 3, 3)
    assert sum("was not issued over EST" in each for each in first["errors"]) == 2
    assert site.root.post(PATH, body, Idempotency_Key="once") == first
    other = site.root.send("POST", PATH, {"tenant": "north"}, headers={"Idempotency-Key": "once"})
    assert (other.status, json.loads(other.body)["error"]) == (422, "idempotency_key_reused")
    assert set(site.statuses("repeated")) == {"revoked"}
    assert set(site.statuses("imported")) == {"valid"}
    assert len(site.events(AuditAction.BULK_REVOKE, after)) == 1
    assert set(site.statuses("north")) == {"valid"}


def test_a_key_revokes_what_it_is_held_to_and_nothing_else(site: Site):
    """The last test: it revokes what is of the tenant north."""
    south = site.root.with_key(site.root.make_key("s", Role.ADMIN, tenant="south"))
    both = site.root.with_key(site.root.make_key("b", Role.ADMIN, profiles=["shared", "other"]))
    after = site.last()
    assert south.send("POST", PATH, {}).status == 400
    for client, body in (
        (south, {"tenant": "north"}),
        (both, {"principal": "fleet"}),
        (both, {"profile": "repeated"}),
    ):
        answer = client.send("POST", PATH, body)
        assert answer.status == 403, answer.text
        assert "held to" in answer.text
    assert site.events(AuditAction.BULK_REVOKE, after) == []
    north = site.root.with_key(site.root.make_key("n", Role.ADMIN, tenant="north"))
    done = north.post(PATH, {"principal": "fleet", "reason": "cessationOfOperation"})
    assert (done["total_matched"], done["total_revoked"]) == (4, 4)
    assert set(site.statuses("north")) == {"revoked"}
    assert set(site.statuses("south")) == {"valid"}
    (begun,) = site.events(AuditAction.BULK_REVOKE, after)
    assert (begun.actor, begun.tenant) == ("key:n", "north")
