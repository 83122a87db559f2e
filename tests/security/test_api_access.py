"""Every endpoint of the management API, path by path from its table: who gets in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.table import ENDPOINTS
from tests.harness.api import ApiClient, first_key
from tests.harness.http import Response
from tests.harness.records import all_events, certificate_count, wait_for_event
from tests.harness.server import RunningServer, configured_server

WAIT_SECONDS = 15.0
NOBODY = "0" * 32
NAMES = {"serial": "1", "profile_id": "none", "issuer_id": "none"}

GUARDED = [each for each in ENDPOINTS if each.role is not None]
ADMIN = [each for each in ENDPOINTS if each.role is Role.ADMIN]


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def call(client: ApiClient, endpoint: Endpoint, headers: dict[str, str] | None = None) -> Response:
    path = re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], NOBODY), endpoint.path)
    body: dict[str, object] | None = {} if endpoint.method in ("POST", "PUT", "PATCH") else None
    return client.send(endpoint.method, path, body, headers=headers)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    environment = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": "password-of-demo",
        "EST_PROFILE_DEMO_TENANT": "north",
        "API_KEYS_NAMED": "settled:key-of-the-settings,chief:key-of-the-chief:admin",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    with configured_server(tmp_path_factory.mktemp("api"), environment) as running:
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> ApiClient:
    return ApiClient(server, first_key(server))


@pytest.fixture(scope="module")
def keys(root: ApiClient) -> dict[Role, ApiClient]:
    return {role: root.with_key(root.make_key(f"a-{role}", role)) for role in Role}


def test_the_table_holds_what_the_specification_lists():
    listed = {name_of(each): each.role for each in ENDPOINTS}
    assert len(listed) == len(ENDPOINTS)
    assert [name for name, role in listed.items() if role is None] == [
        "GET /version",
        "GET /auth/info",
    ]
    assert all(listed[name_of(each)] is Role.ADMIN for each in ENDPOINTS if "/admin/" in each.path)
    for name, role in {
        "GET /keys": Role.ADMIN,
        "POST /keys": Role.ADMIN,
        "PUT /profiles/{profile_id}": Role.ADMIN,
        "POST /certificates/{certificate_id}/revoke": Role.OPERATOR,
        "POST /est/requests/{request_id}/approve": Role.OPERATOR,
        "GET /audit": Role.VIEWER,
    }.items():
        assert listed[name] is role


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_each_role_gets_in_where_it_may_and_nowhere_else(
    keys: dict[Role, ApiClient], endpoint: Endpoint
):
    for role, client in keys.items():
        answer = call(client, endpoint)
        if endpoint.role is None or role.covers(endpoint.role):
            assert answer.status not in (401, 403), (role, answer.text)
            assert answer.status < 500, (role, answer.text)
        else:
            assert answer.status == 403, (role, answer.text)
            assert f"the role {endpoint.role}" in json.loads(answer.body)["message"]


@pytest.mark.parametrize("endpoint", GUARDED, ids=name_of)
def test_no_key_and_keys_that_open_nothing(root: ApiClient, endpoint: Endpoint):
    name, secret = (root.key or "").rsplit("_", 1)
    near = f"{name}_{secret[:-1]}{'0' if secret[-1] != '0' else '1'}"
    for key in (None, "", near, "key-of-the-settings ", "\xff\xfe"):
        sent = {"Authorization": f"Bearer {key}"} if key is not None else {}
        answer = call(root.with_key(None), endpoint, sent)
        if key == "key-of-the-settings ":  # spaces around a token are no part of it
            assert answer.status != 401
            continue
        assert answer.status == 401, (key, answer.text)
        assert answer.headers["Www-Authenticate"].startswith("Bearer")
        assert json.loads(answer.body)["error"] == "unauthorized"


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "bearerx", ""])
def test_other_schemes_open_nothing(root: ApiClient, scheme: str):
    headers = {"Authorization": f"{scheme} {root.key}".strip()}
    assert root.with_key(None).send("GET", "/audit", headers=headers).status == 401


def test_two_keys_at_once_are_refused(server: RunningServer, root: ApiClient):
    from tests.harness.raw import RawClient  # noqa: PLC0415 - only here a header stands twice

    lines = f"Authorization: Bearer {root.key}\r\nAuthorization: Bearer x"
    with RawClient(server) as client:
        client.send(f"GET /api/v1/audit HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode())
        assert client.answer().status == 400


def test_revoked_and_expired_keys_open_nothing_within_a_second(root: ApiClient):
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    expiring = root.with_key(root.make_key("short", Role.ADMIN, expires_at=soon))
    made = root.post("/keys", {"name": "gone", "role": "admin"})
    revoked = root.with_key(made["key"])
    assert revoked.send("GET", "/audit").status == 200
    assert expiring.send("GET", "/audit").status == 200
    assert root.send("DELETE", f"/keys/{made['id']}").status == 200
    for client in (revoked, expiring):
        refused_within(client, seconds=4)
        statuses = {call(client, each).status for each in GUARDED}
        assert statuses == {401}
    for reason in ("revoked", "expired"):
        event = wait_for_event(root.server, AuditAction.API_REFUSED, reason)
        assert event.actor == ("key:gone" if reason == "revoked" else "key:short")


def refused_within(client: ApiClient, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while client.send("GET", "/auth/check").status != 401:
        assert time.monotonic() < deadline, "the key still opens the API"
        time.sleep(0.05)


@pytest.mark.parametrize("endpoint", ADMIN, ids=name_of)
def test_admin_paths_are_closed_to_every_other_role(
    server: RunningServer, keys: dict[Role, ApiClient], endpoint: Endpoint
):
    """The refusal, its event, and that nothing was issued."""
    issued = certificate_count(server)
    after = all_events(server)[-1].seq
    for role in (Role.VIEWER, Role.OPERATOR):
        answer = call(keys[role], endpoint)
        assert answer.status == 403
        assert "role admin" in json.loads(answer.body)["message"]
    wanted = {f"key:a-{role}" for role in (Role.VIEWER, Role.OPERATOR)}
    place = f"{endpoint.method} {endpoint.full_path}"
    deadline = time.monotonic() + WAIT_SECONDS
    while wanted - {
        each.event.actor
        for each in all_events(server, after=after)
        if each.event.action is AuditAction.API_REFUSED and each.event.resource_id == place
    }:
        assert time.monotonic() < deadline, "a refusal never came on record"
        time.sleep(0.05)
    assert certificate_count(server) == issued


def test_keys_of_the_settings_have_their_roles(server: RunningServer):
    settled = ApiClient(server, "key-of-the-settings")
    assert settled.get("/auth/check")["role"] == "operator"
    assert settled.send("GET", "/keys").status == 403
    assert ApiClient(server, "key-of-the-chief").get("/auth/check")["admin"] is True


@pytest.mark.parametrize("held", [{"tenant": "south"}, {"profiles": ["other"]}], ids=str)
def test_a_key_of_another_tenant_or_profile_sees_and_does_nothing(
    root: ApiClient, held: dict[str, object]
):
    client = root.with_key(root.make_key("held", Role.ADMIN, **held))
    for path in ("/certificates", "/est/requests"):
        assert (client.get(path)["total"], client.get(path)["data"]) == (0, [])
    # That this very key was made is an event of its tenant.
    assert {each["tenant"] for each in client.get("/audit")["data"]} <= {held.get("tenant")}
    assert client.get("/admin/est/profiles")["profiles"] == []
    events = root.get("/audit?per_page=500")["data"]
    event = next(each for each in events if each["tenant"] is None)
    assert client.send("GET", f"/audit/{event['id']}").status == 404
    certificate = root.get("/certificates")["data"][0]
    place = f"/certificates/{certificate['id']}"
    assert client.send("GET", place).status == 404
    assert client.send("GET", f"{place}/chain.pem").status == 404
    assert client.send("POST", f"{place}/revoke", {}).status == 404
    by_serial = f"/certificates/serial/{certificate['serial']}/revoke"
    assert client.send("POST", by_serial, {}).status == 404
    assert client.send("POST", "/admin/est/reload-trust", {"path_id": "demo"}).status == 404
    for endpoint in ENDPOINTS:
        if endpoint.whole:
            answer = call(client, endpoint)
            assert answer.status == 403
            assert "held to no tenant" in json.loads(answer.body)["message"]
    assert root.get(place)["status"] == "valid"


def test_only_digests_of_keys_are_kept(server: RunningServer, root: ApiClient):
    key = root.make_key("planted", Role.VIEWER)
    root.with_key(key).send("GET", "/audit")
    secret = key.rsplit("_", 1)[1]
    data = server.database.parent
    pepper = (data / "api.pepper").read_text().strip()
    assert (data / "api.pepper").stat().st_mode & 0o777 == 0o600
    for path in (*data.glob("certctl.db*"), server.log_file):
        octets = path.read_bytes()
        for planted in (secret, pepper, "key-of-the-settings"):
            assert planted.encode() not in octets, path
            assert planted.encode().hex().encode() not in octets, path
        assert bytes.fromhex(secret) not in octets
    listed = json.dumps(root.get("/keys"))
    assert "planted" in listed
    assert secret not in listed
