"""Requests to the management API that are made to do what they must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from certctl.domain.api_keys import Role
from certctl.web.api.endpoint import PREFIX
from certctl.web.api.table import ENDPOINTS
from tests.harness.api import ApiClient, first_key
from tests.harness.http import Response
from tests.harness.raw import RawClient
from tests.harness.records import certificate_count
from tests.harness.server import DidNotStart, RunningServer, configured_server, free_port

MAX_BODY = 4_096


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_ENABLED": "false",
        "WORKERS": "1",
        "MAX_BODY_SIZE": str(MAX_BODY),
        "TLS12_PORT": str(free_port()),
        "RATE_LIMIT_RPS": "1000",
        "RATE_LIMIT_BURST": "2000",
    }
    with configured_server(tmp_path_factory.mktemp("api"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def root(server: RunningServer) -> ApiClient:
    return ApiClient(server, first_key(server))


def problem(answer: Response, status: int) -> dict[str, object]:
    """A refusal has the form that is promised, whatever it is for."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, object] = json.loads(answer.body)
    assert {"type", "title", "detail", "error", "message", "request_id"} <= set(body)
    assert body["status"] == status
    assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


SQL = (
    "' OR '1'='1",
    "'; DROP TABLE audit_events; --",
    "1 UNION SELECT value FROM meta",
    '"; SELECT 1; --',
    "\\' OR 1=1 /*",
    "%' OR '%'='",
)


@pytest.mark.parametrize("text", SQL)
@pytest.mark.parametrize("field", ["action", "actor", "profile", "outcome", "source", "text"])
def test_sql_in_a_filter_finds_nothing_and_breaks_nothing(root: ApiClient, field: str, text: str):
    answer = root.send("GET", f"/audit?{field}={quote(text)}")
    assert answer.status in (200, 422)
    if answer.status == 200:
        assert json.loads(answer.body)["data"] == []
        assert json.loads(answer.body)["total"] == 0
    assert root.get("/audit")["total"] > 0


@pytest.mark.parametrize("text", SQL)
def test_sql_elsewhere_is_no_value_at_all(root: ApiClient, text: str):
    sent = quote(text)
    for path in (
        f"/audit?cursor={sent}",
        f"/audit?from={sent}",
        f"/audit?page={sent}",
        f"/certificates?cursor={sent}",
        f"/est/requests?status={sent}",
        f"/audit/checkpoints?after={sent}",
    ):
        problem(root.send("GET", path), 422)
    for path in (f"/audit/{sent}", f"/certificates/{sent}", f"/profiles/{sent}"):
        problem(root.send("GET", path), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/audit/",
        "/api/v1//audit",
        "/api/v1/./audit",
        "/api/v1/../v1/audit",
        "/api/v1/%61udit",
        "/api/v1/audit%2f",
        "/api/v1/Audit",
        "/api/v1/audit;x=1",
        "/api/v1/audit%00",
        "/api/v1",
        "/api/",
        "/api/v2/audit",
        "/api/v1/certificates/../keys",
        "/api/v1/certificates/..%2fkeys",
    ],
)
def test_a_path_spelled_another_way_is_no_path(server: RunningServer, root: ApiClient, path: str):
    with RawClient(server) as client:
        line = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {root.key}\r\n\r\n"
        client.send(line.encode())
        assert client.answer().status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "POST"])
def test_methods_that_a_path_does_not_take(root: ApiClient, method: str):
    answer = root.send(method, "/audit")
    problem(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD"
    assert root.send(method, "/api/v1/audit", prefix="/x").status in (404, 405)


def test_overriding_headers_change_nothing(root: ApiClient):
    for name in ("X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
        answer = root.send("GET", "/audit", headers={name: "/api/v1/keys"})
        assert json.loads(answer.body)["data"][0]["action"]


BODIES: list[tuple[bytes, str, int]] = [
    (b"{", "application/json", 422),
    (b"[]", "application/json", 422),
    (b"null", "application/json", 422),
    (b'"x"', "application/json", 422),
    (b'{"name": "x", "role": "god"}', "application/json", 422),
    (b'{"name": "x", "role": "viewer", "admin": true}', "application/json", 422),
    (b'{"name": "\\ud800", "role": "viewer"}', "application/json", 422),
    (b'{"name": "a\\u0000", "role": "viewer"}', "application/json", 422),
    (
        b'{"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}',
        "application/json",
        409,
    ),
    (
        b'{"name": "x", "role": "viewer", "expires_at": "2031-01-01T00:00:00"}',
        "application/json",
        422,
    ),
    (b"[" * 3_000, "application/json", 400),
    (b"\xff\xfe{}", "application/json", 422),
    (b'{"name": "x", "role": "viewer"}', "text/plain", 415),
    (b"name=x&role=viewer", "application/x-www-form-urlencoded", 415),
    (b"", "application/json", 422),
    (b"x" * (MAX_BODY + 1), "application/json", 413),
]


@pytest.mark.parametrize(("body", "kind", "status"), BODIES, ids=lambda each: repr(each)[:40])
def test_bodies_that_are_none(root: ApiClient, body: bytes, kind: str, status: int):
    before = len(root.get("/keys")["data"])
    answer = root.send("POST", "/keys", body, headers={"Content-Type": kind})
    told = problem(answer, status)
    assert "x" * 100 not in json.dumps(told)
    assert len(root.get("/keys")["data"]) == before


def test_a_body_that_is_longer_than_it_says_or_needs_no_length(root: ApiClient):
    with RawClient(root.server) as client:
        client.send(
            f"POST /api/v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {root.key}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        client.send(
            b"1000\r\n" + b" " * 0x1000 + b"\r\n1000\r\n" + b" " * 0x1000 + b"\r\n0\r\n\r\n"
        )
        assert client.answer().status == 413
    problem(root.send("GET", "/audit", b"{}"), 400)


@pytest.mark.parametrize(
    "query",
    ["per_page=0", "per_page=501", "page=0", "page=x", "from=0.5", "unknown=1",
     "text=%00", "outcome=maybe", "from=yesterday", "from=2026-01-01", "to=" + "9" * 400,
     "text=" + "x" * 501, "action=EST_"],
)  # fmt: skip
def test_queries_that_cannot_be_meant(root: ApiClient, query: str):
    told = problem(root.send("GET", f"/audit?{query}"), 422)
    assert told["errors"]


def test_a_query_has_an_end(root: ApiClient):
    # Answered below the API, which never sees it.
    assert root.send("GET", "/audit?text=" + "x" * 5_000).status == 414


def test_no_other_web_site_is_let_in(root: ApiClient):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET"):
        answer = root.send(method, "/audit", headers=headers)
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    answer = root.send("GET", "/audit")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_api_is_not_on_the_port_for_old_devices(server: RunningServer, root: ApiClient):
    port = int(server.environment["CERTCTL_TLS12_PORT"])
    issued = certificate_count(server)
    old = RunningServer(
        directory=server.directory,
        arguments=[],
        environment={},
        port=port,
        ca_file=server.ca_file,
        database=server.database,
        log_file=server.log_file,
    )
    client = ApiClient(old, root.key)
    for path in (*(each.path for each in ENDPOINTS), "/openapi.json"):
        assert client.send("GET", path).status == 404
    assert client.send("GET", "/api/docs", prefix="").status == 404
    assert client.send("GET", "/health", prefix="").status == 200
    assert certificate_count(server) == issued


def test_one_key_that_asks_too_often_waits_and_another_does_not(
    tmp_path_factory: pytest.TempPathFactory,
):
    settings = {
        "EST_ENABLED": "false",
        "WORKERS": "1",
        "RATE_LIMIT_RPS": "1",
        "RATE_LIMIT_BURST": "5",
    }
    with configured_server(tmp_path_factory.mktemp("rate"), settings) as running:
        root = ApiClient(running, first_key(running))
        other = root.with_key(root.make_key("other", Role.VIEWER))
        answers = [root.send("GET", "/auth/check") for _ in range(12)]
        refused = [each for each in answers if each.status == 429]
        assert refused
        problem(refused[0], 429)
        assert int(refused[0].headers["Retry-After"]) >= 1
        assert other.send("GET", "/auth/check").status == 200


def test_without_keys_everybody_on_loopback_is_an_admin_and_elsewhere_it_does_not_start(
    tmp_path: Path,
):
    settings = {"EST_ENABLED": "false", "WORKERS": "1", "AUTH_TYPE": "none"}
    with configured_server(tmp_path, settings) as running:
        nobody = ApiClient(running)
        assert nobody.get("/auth/info") == {"auth_type": "none", "required": False}
        assert nobody.get("/auth/check")["admin"] is True
        made = nobody.post("/keys", {"name": "x", "role": "viewer"})
        event = nobody.get(f"/audit?action=api_key_created&text={made['id']}")["data"][0]
        assert event["actor"] == "key:everybody"
    elsewhere = configured_server(tmp_path, settings | {"SERVER_HOST": "0.0.0.0"})
    with pytest.raises(DidNotStart, match="loopback"):
        elsewhere.start()


def test_every_path_of_the_table_is_below_the_prefix():
    assert all(each.full_path.startswith(f"{PREFIX}/") for each in ENDPOINTS)
