"""A bulk revocation that is interrupted, one whose authority is killed, and two at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from certctl.domain.audit import AuditAction
from certctl.domain.bulk_revocation import SLICE
from certctl.domain.clock import SECOND_US
from certctl.domain.ids import sortable_id
from certctl.domain.inventory import CertificateFilter, WantedStatus
from certctl.store import open_writable
from tests.contract.samples import DAY, certificate
from tests.harness.records import all_events
from tests.harness.replacing import replace
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

ROWS = 16_000
BATCH = 1_000
PASSWORD = "corp-password-0001"
COMMAND = [PROGRAM, "certificates", "bulk-revoke", "--reason", "superseded", "--profile", "demo"]


def test_a_killed_authority_leaves_whole_slices_and_the_same_again_goes_on(tmp_path: Path):
    settings = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
    }
    server = configured_server(tmp_path, settings)
    _fill(server)
    with server:
        given_up = _started(server)
        given_up.send_signal(signal.SIGINT)
        _, said = given_up.communicate(timeout=60)

        assert given_up.returncode == 130
        told = re.search(r"interrupted; ([\d,]+) certificates are revoked, and stay so", said)
        assert told is not None, said
        # The authority may have finished one more slice, of which nobody was told.
        told_of = int(told[1].replace(",", ""))
        assert told_of <= len(_revoked(server)) <= told_of + SLICE

        first = _started(server)
        (authority,) = server.processes()["authority"]
        os.kill(authority, signal.SIGKILL)
        _, said = first.communicate(timeout=60)

        assert first.returncode == 1
        assert "Give the same command again" in said
        server.wait_ready()
        before = _revoked(server)
        assert 0 < len(before) < ROWS
        assert len(before) % SLICE == 0
        assert sorted(before) == sorted(_rows(server))

        pair = [_start(server), _start(server)]
        totals = [json.loads(each.communicate(timeout=100)[0]) for each in pair]

        assert [each.returncode for each in pair] == [0, 0]
        assert sum(each["total_revoked"] for each in totals) == ROWS - len(before)
        assert [each["total_matched"] for each in totals] == [ROWS, ROWS]
        after = _revoked(server)
        assert len(after) == len(set(after)) == ROWS
        begun = [
            each.event
            for each in all_events(server)
            if each.event.action is AuditAction.BULK_REVOKE
        ]
        assert len(begun) == 4


def _started(server: RunningServer) -> subprocess.Popen[str]:
    """One that has revoked something."""
    before = len(_revoked(server))
    running = _start(server)
    while len(_revoked(server)) == before:
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    return running


def _start(server: RunningServer) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--yes", "--output", "json"],
        env=clean_environment(server.environment),
        cwd=server.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _fill(server: RunningServer) -> None:
    """Certificates as if they had been issued, before the server ever ran."""
    server.database.parent.mkdir(mode=0o700)
    store = open_writable(f"sqlite:///{server.database}", node="node-a")
    issued_us = time.time_ns() // 1_000 - 3_600 * SECOND_US
    for start in range(0, ROWS, BATCH):
        with store.transaction() as transaction:
            transaction.record_certificates(
                [
                    replace(
                        certificate(n),
                        id=sortable_id(issued_us + n, os.urandom),
                        issued_us=issued_us + n,
                        not_after_us=issued_us + DAY,
                    )
                    for n in range(start, start + BATCH)
                ]
            )
    store.close()


def _revoked(server: RunningServer) -> list[str]:
    """By the audit trail."""
    return [
        each.event.resource_id
        for each in all_events(server)
        if each.event.action is AuditAction.CERTIFICATE_REVOKED
    ]


def _rows(server: RunningServer) -> list[str]:
    """By the inventory."""
    records = server.records()
    wanted = CertificateFilter(status=WantedStatus.REVOKED)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = records.search(wanted, 0, limit=500, cursor=cursor)
        found += [each.id for each in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    records.close()
    return found
