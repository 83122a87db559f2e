"""Audit events as they come: filtered, taken up again without a gap, ended with the key."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from certctl.domain.api_keys import Role
from certctl.web.api.tail import MOST_LISTENERS
from tests.harness.api import ApiClient, EventSource, first_key
from tests.harness.http import basic, fetch
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server

WRONG = basic("nobody", "not-the-password")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "north,south",
        "EST_LOCKOUT_FAILURES": "100000",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    for name in ("NORTH", "SOUTH"):
        settings |= {
            f"EST_PROFILE_{name}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{name}_ALLOWED_AUTH_MODES": "basic",
            f"EST_PROFILE_{name}_ENROLLMENT_PASSWORD": f"password-of-{name}",
            f"EST_PROFILE_{name}_TENANT": name.lower(),
        }
    with configured_server(tmp_path_factory.mktemp("stream"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> ApiClient:
    return ApiClient(server, first_key(server))


def fail(server: RunningServer, path_id: str) -> None:
    """Leave one refusal on record."""
    path = f"/.well-known/est/{path_id}/simpleenroll"
    assert fetch(server, "POST", path, body=b"x", headers=WRONG).status == 401


def test_each_sees_its_events_and_nobody_anothers(server: RunningServer, root: ApiClient):
    south = root.with_key(root.make_key("south", Role.VIEWER, tenant="south"))
    with (
        root.stream() as all_of_them,
        root.stream("/audit/stream?action=est_auth&profile=south") as some,
        south.stream() as own,
    ):
        for each in (all_of_them, some, own):
            each.opening()
        fail(server, "north")
        fail(server, "south")
        assert all_of_them.until("est_auth_failed_basic")["profile"] == "north"
        assert all_of_them.until("est_auth_failed_basic")["profile"] == "south"
        for each in (some, own):
            event = each.next_event()
            assert event is not None
            assert (event["profile"], event["tenant"]) == ("south", "south")


def test_whoever_comes_back_misses_nothing_and_sees_nothing_twice(root: ApiClient):
    with root.stream() as first:
        first.opening()
        made = root.post("/keys", {"name": "seen", "role": "viewer"})
        assert first.until("api_key_created")["resource"]["id"] == made["id"]
        place = first.last_id
    missed = [root.post("/keys", {"name": "missed", "role": "viewer"})["id"] for _ in range(3)]
    with root.stream(last=place) as second:
        later = root.post("/keys", {"name": "later", "role": "viewer"})["id"]
        found = [second.until("api_key_created")["resource"]["id"] for _ in range(4)]
    assert found == [*missed, later]


def test_from_the_beginning_more_than_a_queue_holds(server: RunningServer, root: ApiClient):
    """A place before everything: read from the store in pages, in the order of the chain."""
    (node,) = {each.node for each in all_events(server)}
    last = all_events(server)[-1].seq
    with root.stream(last=f"{node}:0") as source:
        seen = [source.next_event() for _ in range(last)]
    assert [each["seq"] for each in seen if each is not None] == list(range(1, last + 1))


@pytest.mark.parametrize("place", ["x", "a:b", "node:1;", "node:-1", "n:" + "9" * 19, "' OR 1=1"])
def test_a_place_that_is_none_is_refused(root: ApiClient, place: str):
    answer = root.send("GET", "/audit/stream", headers={"Last-Event-ID": place})
    assert answer.status == 422


def test_a_look_at_the_head_does_not_wait(root: ApiClient):
    answer = root.send("HEAD", "/audit/stream")
    assert (answer.status, answer.headers["Content-Type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )


def test_a_stream_ends_with_its_key(root: ApiClient):
    made = root.post("/keys", {"name": "ending", "role": "viewer"})
    client = root.with_key(made["key"])
    with client.stream() as source:
        source.opening()
        assert root.send("DELETE", f"/keys/{made['id']}").status == 200
        rest = drained(source)
    assert [each["action"] for each in rest][:1] in ([], ["api_key_revoked"])
    assert client.send("GET", "/audit/stream").status == 401


def drained(source: EventSource) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    while (event := source.next_event()) is not None:
        found.append(event)
    return found


def test_many_listen_while_devices_are_served_and_one_too_many_is_told(
    server: RunningServer, root: ApiClient
):
    many = 40
    opened = threading.Barrier(many + 1, timeout=60)
    heard: list[str] = []

    def listen() -> None:
        with root.stream("/audit/stream?action=api_key_created") as source:
            source.opening()
            opened.wait()
            heard.append(source.until("api_key_created")["details"]["name"])

    threads = [threading.Thread(target=listen) for _ in range(many)]
    for thread in threads:
        thread.start()
    opened.wait()
    fail(server, "north")
    root.make_key("heard-by-all", Role.VIEWER)
    for thread in threads:
        thread.join(60)
    assert heard == ["heard-by-all"] * many
    assert many < MOST_LISTENERS


def test_the_server_stops_at_once_in_spite_of_streams(tmp_path_factory: pytest.TempPathFactory):
    settings = {"EST_ENABLED": "false", "WORKERS": "1", "SHUTDOWN_GRACE": "20s"}
    with configured_server(tmp_path_factory.mktemp("stop"), settings) as running:
        client = ApiClient(running, first_key(running))
        with client.stream() as source:
            source.opening()
            assert running.stop() == 0
            assert drained(source) == []
        stopped = [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]
    assert not [each for each in stopped if each.get("level") == "error"]
