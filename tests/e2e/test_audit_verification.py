"""The server verifies its own trail: what does not fit is on the pages and in the log."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from certctl.domain.api_keys import Role
from certctl.domain.figures import AuditProof
from tests.harness.api import first_key
from tests.harness.pages import Visitor
from tests.harness.server import RunningServer, configured_server

WAIT_SECONDS = 40.0

SETTINGS = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": "password-of-the-proof",
    "WORKERS": "1",
}


def proof_of(server: RunningServer, wanted: Callable[[AuditProof], bool]) -> AuditProof:
    records = server.records()
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            found = records.audit_proof()
            if found is not None and wanted(found):
                return found
            assert time.monotonic() < deadline, (found, server.log())
    finally:
        records.close()


def tamper(database: Path) -> None:
    """What somebody with the right to write to the file can do."""
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        changed = connection.execute("UPDATE audit_events SET actor = 'host:nobody' WHERE seq = 1")
        assert changed.rowcount == 1
        # Or the next look would be taken in ten minutes.
        connection.execute("DELETE FROM figures")
        connection.execute("DELETE FROM leases")
        connection.commit()


def test_a_changed_event_is_found_and_told_everywhere(tmp_path: Path):
    with configured_server(tmp_path, SETTINGS) as server:
        key = first_key(server, "the-viewer", Role.VIEWER)
        proof = proof_of(server, lambda found: not found.broken)
        assert proof.events >= 1
        visitor = Visitor(server)
        visitor.log_in(key)
        page = visitor.get("/audit").text
        assert 'data-testid="audit-verified"' in page
        assert 'data-testid="audit-broken"' not in page
        assert "does not fit" not in visitor.get("/").text
    tamper(server.database)
    with configured_server(tmp_path, SETTINGS) as server:
        proof = proof_of(server, lambda found: bool(found.broken))
        assert "/1: " in proof.broken
        visitor = Visitor(server)
        visitor.log_in(key)
        page = visitor.get("/audit").text
        assert 'data-testid="audit-broken"' in page
        assert proof.broken in page
        assert 'data-testid="audit-verified"' not in page
        # Nothing of a trail that does not fit counts as verified.
        assert 'data-name="Verified up to" class="number">\u2013<' in page
        assert f"The audit trail does not fit: {proof.broken}" in visitor.get("/").text
        (told,) = server.log_events("audit_trail_broken")
        assert told["problem"] == proof.broken
