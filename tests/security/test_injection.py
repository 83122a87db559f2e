"""Names that would forge a log line, colour a terminal or turn text around: shown escaped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import SEQUENCE, encode
from tests.harness.http import basic
from tests.harness.raw import RawClient, head, post
from tests.harness.records import Ledger, Refused, refused
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, quickstart_server
from tests.security.enrollment import (
    ENROLL,
    assert_refused,
    enrollment_password,
    first_device_enrolled,
)
from tests.unit.wire import forge

NAME_REFUSED = Refused(
    action=AuditAction.CSR_POLICY_VIOLATION,
    reason="name",
    counter=Counter.CSR_POLICY_VIOLATION,
)
# (what is sent, how it is shown)
NAMES = {
    "line feed": ("dev\nrequest-id: forged", "dev\\u000arequest-id: forged"),
    "carriage return": ("dev\r\nSet-Cookie: a=b", "dev\\u000d\\u000aSet-Cookie"),
    "terminal colour": ("dev\x1b[31mred", "dev\\u001b[31mred"),
    "terminal title": ("dev\x1b]0;owned\x07", "dev\\u001b]0;owned\\u0007"),
    "C1 control": ("dev\x9b31m", "dev\\u009b31m"),
    "nul": ("dev\0ice", "dev\\u0000ice"),
    "backspace": ("dev\b\b\bxyz", "dev\\u0008"),
    "delete": ("dev\x7f", "dev\\u007f"),
    "right-to-left override": ("dev\u202eexe.1", "dev\\u202eexe.1"),
    "isolate": ("dev\u2066x", "dev\\u2066x"),
    "zero width space": ("dev\u200bice", "dev\\u200bice"),
    "line separator": ("dev\u2028ice", "dev\\u2028ice"),
    "byte order mark": ("\ufeffdevice", "\\ufeffdevice"),
    "private use": ("dev\ue000", "dev\\ue000"),
}
HARMLESS = {
    "html": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "format string": "%s%n{0}{event}",
    "log field": 'x" event="ready',
    "sql": "'; DROP TABLE certificates; --",
    "path": "../../etc/passwd",
}


@pytest.fixture(scope="module")
def text_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Logs for people, where an escape character would do its harm."""
    directory = tmp_path_factory.mktemp("text")
    environment = {"CERTCTL_LOG_FORMAT": "text", "CERTCTL_WORKERS": "1"}
    with quickstart_server(directory, environment=environment) as running:
        first_device_enrolled(running)
        yield running


def assert_log_is_clean(server: RunningServer) -> None:
    for line in server.log().split("\n"):
        assert line.isprintable(), repr(line)
        assert not line.startswith("request-id: forged")


@pytest.mark.parametrize(("name", "shown"), NAMES.values(), ids=NAMES.keys())
def test_name_is_refused_and_shown_escaped(
    server: RunningServer, authorization: str, name: str, shown: str
) -> None:
    ledger = Ledger(server)
    body = forge.request(subject=forge.name((forge.CN, name)))
    with RawClient(server) as client:
        client.send(post(ENROLL, body, authorization))
        assert_refused(client.answer(), 403, shown)
    # From elsewhere: within a second the same refusal of one source is folded.
    with RawClient(server) as client:
        client.send(post(ENROLL, body, authorization, "Accept: application/problem+json"))
        problem = json.loads(client.answer().body)
        assert shown in problem["title"]
        assert "".join(map(str, problem.values())).isprintable()
    change = ledger.expect(replace(NAME_REFUSED, times=2))
    for event in change.events:
        assert shown in str(event.details["got"])
        assert str(event.details["got"]).isprintable()
    assert_log_is_clean(server)


@pytest.mark.parametrize("place", ["san", "user", "path", "header"])
def test_other_places_are_no_way_around(text_server: RunningServer, place: str) -> None:
    """The same octets in a SAN, as user name, in the target and in a header field."""
    evil = "dev\x1b[31m\nforged\u202e"
    auth = "Authorization: " + basic("device", enrollment_password(text_server))["Authorization"]
    lines: tuple[str, ...] = (auth,)
    path, body = ENROLL, forge.request()
    if place == "san":
        body = forge.request(forge.extensions(forge.sans(forge.dns(evil.replace("\u202e", "")))))
    elif place == "user":
        header = basic(evil, enrollment_password(text_server))["Authorization"]
        lines = (f"Authorization: {header}",)
    elif place == "path":
        path = "/.well-known/est/" + "".join(f"%{octet:02x}" for octet in evil.encode())
    else:
        lines = (auth, "X-Note: a\x1b[31mb")
    with RawClient(text_server) as client:
        client.send(post(path, body, *lines))
        answer = client.answer()
    assert answer.status in (400, 401, 403, 404)
    assert answer.text.replace("\n", "").isprintable()
    assert_log_is_clean(text_server)


def test_nothing_of_it_reaches_a_terminal(text_server: RunningServer) -> None:
    """Refused and accepted names in the log for people; the database holds no control octet."""
    auth = "Authorization: " + basic("device", enrollment_password(text_server))["Authorization"]
    ledger = Ledger(text_server)
    with RawClient(text_server) as client:
        for name, _ in NAMES.values():
            client.send(post(ENROLL, forge.request(subject=forge.name((forge.CN, name))), auth))
            assert client.answer().status == 403
        client.send(head("GET", "/health"))
        assert client.answer().status == 200
    ledger.expect(replace(NAME_REFUSED, times=len(NAMES)))
    assert_log_is_clean(text_server)
    columns = "actor, client_certificate_subject, details"
    with sqlite3.connect(f"file:{text_server.database}?mode=ro", uri=True) as database:
        for row in database.execute(f"SELECT {columns} FROM audit_events"):  # noqa: S608
            assert all(str(value).isprintable() for value in row), row
    database.close()


@pytest.mark.parametrize("name", HARMLESS.values(), ids=HARMLESS.keys())
def test_printable_mischief_is_only_text(
    server: RunningServer, authorization: str, name: str
) -> None:
    """Issued or refused by policy, it is data: nothing else happens to records or log."""
    ledger = Ledger(server)
    with RawClient(server) as client:
        client.send(
            post(ENROLL, forge.request(subject=forge.name((forge.CN, name))), authorization)
        )
        answer = client.answer()
    if answer.status == 200:
        change = ledger.expect(issued=1)
        assert change.events[0].details["subject"] != ""
    else:
        assert_refused(answer, answer.status)
        ledger.expect(NAME_REFUSED)
    assert_log_is_clean(server)


def test_name_of_many_attributes_is_cut(server: RunningServer, authorization: str) -> None:
    """A refusal repeats a foreign value only in part, on the wire and on record."""
    subject = encode(SEQUENCE, *(forge.name((forge.CN, "x" * 60 + "\n"))[2:] for _ in range(200)))
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, "name", Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, forge.request(subject=subject), authorization))
        answer = client.answer()
        assert_refused(answer, answer.status)
        assert len(answer.body) < 1_000
