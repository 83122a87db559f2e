"""Attacks on the web pages: forged writes, framing, fixed and stolen sessions, roles, tenants."""

from __future__ import annotations

import base64
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from certctl.domain.inventory import CertificateFilter
from certctl.store import cursors
from certctl.web.ui.page import Page
from certctl.web.ui.table import PAGES
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.pages import COOKIE, Visitor
from tests.harness.records import all_events, certificate_count, wait_for_event
from tests.harness.server import RunningServer, configured_server

PASSWORD = "password-of-the-pages"
WAIT_SECONDS = 15.0
FOUND = Path(__file__).parents[1] / "fuzz" / "found"
NOBODY = "0" * 32
WRITES = [each for each in PAGES if each.is_write]


@dataclass
class Site:
    server: RunningServer
    keys: dict[Role, str]
    certificate: str

    @property
    def root(self) -> ApiClient:
        return ApiClient(self.server, self.keys[Role.ADMIN])

    def visitor(self, role: Role = Role.ADMIN) -> Visitor:
        visitor = Visitor(self.server)
        assert visitor.log_in(self.keys[role]).status == 303
        return visitor

    def key_ids(self) -> dict[str, str]:
        return {each["name"]: each["id"] for each in self.root.get("/keys")["data"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("pages")
    settings = {
        "EST_PROFILES": "corp,open",
        **{
            f"EST_PROFILE_{name}_{field}": value
            for name in ("CORP", "OPEN")
            for field, value in {
                "ISSUER_ID": "iss-local",
                "ALLOWED_AUTH_MODES": "basic",
                "ENROLLMENT_PASSWORD": PASSWORD,
            }.items()
        },
        "EST_PROFILE_OPEN_TENANT": "north",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
        "MAX_BODY_SIZE": "4096",
    }
    with configured_server(directory, settings) as server:
        for path_id in ("corp", "open"):
            device = Device(directory, f"of-{path_id}")
            path = f"/.well-known/est/{path_id}/simpleenroll"
            assert device.enroll(server, path, headers=basic("device", PASSWORD)).status == 200
        keys = {role: first_key(server, f"a-{role}", role) for role in Role}
        found = ApiClient(server, keys[Role.ADMIN]).get("/certificates")["data"]
        (certificate,) = (each["id"] for each in found if each["profile"] == "corp")
        yield Site(server, keys, certificate)


def name_of(page: Page) -> str:
    return f"{page.method} {page.path}"


def send(visitor: Visitor, page: Page, **headers: str | None) -> object:
    path = re.sub(r"\{\w+\}", NOBODY, page.path)
    if page.is_write:
        return visitor.post(path, {}, **headers).status
    return visitor.get(path).status


def last_seq(site: Site) -> int:
    return max(each.seq for each in all_events(site.server))


def refused_events(site: Site, after: int, reason: str) -> list[str]:
    """Resources of refusals on record since then; waits for the first."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = [
            each.event.resource_id
            for each in all_events(site.server)
            if each.seq > after
            and each.event.action is AuditAction.API_REFUSED
            and each.event.details.get("reason") == reason
        ]
        if found:
            return found
    raise AssertionError(f"no refusal for {reason} is on record")


# Who gets in ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nobody_gets_a_page_without_a_session(site: Site, page: Page):
    for token in (None, "A" * 43, "../../etc/passwd", "' OR 1=1 --", "x" * 4000):
        visitor = Visitor(site.server, token)
        path = re.sub(r"\{\w+\}", NOBODY, page.path)
        answer = visitor.post(path) if page.is_write else visitor.get(path)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login")
        assert answer.body == b""


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "page", [each for each in PAGES if each.path != "/est/activity/stream"], ids=name_of
)
def test_a_page_opens_from_its_role_on(site: Site, page: Page, role: Role):
    before = last_seq(site)
    status = send(site.visitor(role), page)
    if role.covers(page.role):
        says_itself = page.path in ("/est", "/est/activity", "/est/trust")
        assert (status == 403) == (says_itself and role is not Role.ADMIN)
        return
    assert status == 403
    assert name_of(page) in refused_events(site, before, "role")


def test_a_key_of_a_tenant_sees_only_its_own(site: Site):
    key = site.root.make_key("northern", Role.ADMIN, tenant="north")
    visitor = Visitor(site.server)
    visitor.log_in(key)
    profiles = visitor.get("/est").text
    assert "est-profile-summary-open" in profiles
    assert "est-profile-summary-corp" not in profiles
    found = visitor.get("/certificates").text
    assert "of-open" in found
    assert "of-corp" not in found
    assert visitor.get(f"/certificates/{site.certificate}").status == 404
    assert (
        visitor.post(f"/certificates/{site.certificate}/revoke", {"reason": "unspecified"}).status
        == 404
    )
    assert visitor.get("/est/reload?path_id=corp").status == 404
    assert visitor.post("/est/reload", {"path_id": "corp"}).status == 404
    assert "of-corp" not in visitor.get("/audit").text
    for path in ("/keys", "/jobs", "/events", "/certificates/bulk"):
        assert visitor.get(path).status == 403
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == "valid"


def test_a_head_of_a_page_or_of_the_stream_ends_at_once(site: Site):
    visitor = site.visitor()
    for path in ("/", "/est/activity/stream"):
        answer = visitor.head(path)
        assert answer.status == 200
        assert answer.body == b""
    assert visitor.get("/").status == 200


# Forged writes -------------------------------------------------------------------------

FOREIGN = {
    "another site": {"Origin": "https://attacker.example"},
    "a sandboxed frame": {"Origin": "null"},
    "the same name without TLS": {"Origin": "http://localhost:{port}"},
    "another port": {"Origin": "https://localhost:1"},
    "a longer name": {"Origin": "https://localhost:{port}.attacker.example"},
    "no word about it": {"Origin": None},
    "a site of the same domain": {"Origin": None, "Sec_Fetch_Site": "same-site"},
    "a cross-site request": {"Origin": None, "Sec_Fetch_Site": "cross-site"},
    "typed into the address": {"Origin": None, "Sec_Fetch_Site": "none"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_csrf_no_other_site_writes(site: Site, headers: dict[str, str | None]):
    visitor = site.visitor()
    given = {
        name: value.format(port=site.server.port) if value else None
        for name, value in headers.items()
    }
    before, issued = last_seq(site), certificate_count(site.server)
    path = f"/certificates/{site.certificate}/revoke"
    answer = visitor.post(path, {"reason": "keyCompromise"}, **given)
    assert answer.status == 403
    assert f"POST {path}" in refused_events(site, before, "origin")
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == "valid"
    assert certificate_count(site.server) == issued
    # The session itself is as good as before.
    assert visitor.get("/").status == 200


@pytest.mark.parametrize("page", WRITES, ids=name_of)
def test_csrf_every_write_asks_where_it_comes_from(site: Site, page: Page):
    assert send(site.visitor(), page, Origin="https://attacker.example") == 403


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_csrf_nobody_is_logged_in_or_out_from_elsewhere(site: Site, path: str):
    visitor = site.visitor()
    fields = {"key": site.keys[Role.VIEWER]}
    answer = visitor.post(path, fields, Origin="https://attacker.example")
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert "a-admin" in visitor.get("/").text


def test_csrf_nothing_is_written_by_get(site: Site):
    visitor = site.visitor()
    before = last_seq(site)
    for page in WRITES:
        path = re.sub(r"\{\w+\}", site.certificate, page.path)
        visitor.get(path + "?reason=keyCompromise&typed=revoke+1&path_id=corp&name=x&role=admin")
    assert visitor.get("/logout").status == 405
    actions = {each.event.action for each in all_events(site.server) if each.seq > before}
    assert actions <= {AuditAction.API_REFUSED}
    assert visitor.get("/").status == 200


def test_a_form_is_a_form_and_of_bounded_size(site: Site):
    visitor = site.visitor()
    path = f"/certificates/{site.certificate}/revoke"
    json = visitor.post(path, b'{"reason": "keyCompromise"}', Content_Type="application/json")
    plain = visitor.post(path, b"reason=keyCompromise", Content_Type="text/plain")
    long = visitor.post(path, {"reason": "x" * 5000})
    many = visitor.post(path, {f"f{number}": "" for number in range(200)})
    assert [each.status for each in (json, plain, long, many)] == [415, 415, 413, 400]
    assert site.root.get(f"/certificates/{site.certificate}")["status"] == "valid"


# Frames, scripts, caches ---------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/",
        "/est",
        "/certificates",
        "/certificates/x/y",
        "/keys",
        "/est/reload?path_id=corp",
    ],
)
def test_clickjacking_no_page_shows_in_a_frame_or_stays_in_a_cache(site: Site, path: str):
    answer = site.visitor().get(path)
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_static_files_are_kept_for_long_under_names_of_their_content(site: Site):
    page = site.visitor().get("/login").text
    names = re.findall(r'"(/static/[^"]+)"', page)
    assert len(set(names)) == 5
    for name in names:
        assert re.fullmatch(r"/static/[a-z.]+\.[0-9a-f]{16}\.(css|js|svg)", name)
        answer = Visitor(site.server).get(name)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
    for name in ("/static/../app.py", "/static/app.css", "/static/%2e%2e/table.py", "/static/"):
        assert Visitor(site.server).get(name).status == 404


# Sessions ------------------------------------------------------------------------------


def test_the_cookie_is_for_this_host_alone_and_closed_to_scripts(site: Site):
    cookie = Visitor(site.server).log_in(site.keys[Role.VIEWER]).headers["Set-Cookie"]
    value, *attributes = cookie.split("; ")
    assert re.fullmatch(COOKIE + r"=[A-Za-z0-9_-]{43}", value)
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]


def test_session_fixation_a_token_from_before_the_log_in_opens_nothing(site: Site):
    planted = "B" * 43
    visitor = Visitor(site.server, planted)
    visitor.log_in(site.keys[Role.ADMIN])
    assert visitor.token not in (None, planted)
    assert Visitor(site.server, planted).get("/").status == 303
    # Logging in again ends the session before: what was stolen of it is of no use.
    first = visitor.token
    visitor.log_in(site.keys[Role.ADMIN])
    assert visitor.token != first
    assert Visitor(site.server, first).get("/").status == 303
    assert visitor.get("/").status == 200


def test_two_cookies_of_one_name_are_no_session(site: Site):
    good = site.visitor().token
    both = f"{COOKIE}={'C' * 43}; {COOKIE}={good}"
    assert Visitor(site.server).get("/", Cookie=both).status == 303


def test_a_log_out_ends_the_session_for_good(site: Site):
    visitor = site.visitor(Role.OPERATOR)
    before = last_seq(site)
    answer = visitor.post("/logout")
    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert visitor.get("/").status == 303
    ended = [
        each.event.actor
        for each in all_events(site.server, after=before)
        if each.event.action is AuditAction.LOGIN_ENDED
    ]
    assert ended == ["key:a-operator"]


def test_a_stolen_database_opens_nothing(site: Site):
    visitor = site.visitor()
    assert visitor.token is not None
    with closing(sqlite3.connect(f"file:{site.server.database}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT digest FROM sessions").fetchall()
        everything = "\n".join(database.iterdump())
    assert rows
    assert visitor.token not in everything
    assert site.keys[Role.ADMIN] not in everything
    for (digest,) in rows:
        assert Visitor(site.server, digest.hex()[:43]).get("/").status == 303
    log = site.server.log()
    assert visitor.token not in log
    assert site.keys[Role.ADMIN] not in log


def test_a_session_ends_with_its_key(site: Site):
    key = site.root.make_key("short-lived", Role.ADMIN)
    visitor = Visitor(site.server)
    visitor.log_in(key)
    assert visitor.get("/keys").status == 200
    site.root.send("DELETE", f"/keys/{site.key_ids()['short-lived']}")
    deadline = time.monotonic() + WAIT_SECONDS
    while visitor.get("/keys").status != 303:
        assert time.monotonic() < deadline, "a revoked key is still logged in"
    assert visitor.log_in(key).status == 401


@pytest.mark.parametrize(
    "key", ["", "certctl_" + "0" * 32 + "_" + "0" * 64, "x" * 3000, "\x00", "<b>"]
)
def test_a_wrong_key_logs_nobody_in_and_is_on_record(site: Site, key: str):
    before = last_seq(site)
    visitor = Visitor(site.server)
    answer = visitor.log_in(key)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert key == "" or key not in answer.text
    event = wait_for_event(site.server, AuditAction.LOGIN_FAILED, "unknown", after=before)
    assert event.source_address == "127.0.0.1"


@pytest.mark.parametrize(
    "place",
    [
        "https://attacker.example/",
        "//attacker.example/",
        "/\\attacker.example/",
        "/\t/attacker.example",
        "javascript:alert(1)",
        "/login",
        "/logout",
        "/api/v1/keys",
        "/certificates\r\nSet-Cookie: x=y",
    ],
)
def test_a_log_in_leads_to_no_other_site(site: Site, place: str):
    visitor = Visitor(site.server)
    answer = visitor.log_in(site.keys[Role.VIEWER], next=place)
    assert answer.status == 303
    assert answer.headers["Location"] == "/"


def test_a_log_in_leads_back_to_the_page_that_was_asked_for(site: Site):
    visitor = Visitor(site.server)
    asked = visitor.get("/certificates?text=of-corp&by=cn")
    found = re.search(r'name="next" value="([^"]+)"', visitor.get(asked.headers["Location"]).text)
    assert found is not None
    place = found[1].replace("&amp;", "&")
    answer = visitor.log_in(site.keys[Role.VIEWER], next=place)
    assert answer.headers["Location"] == "/certificates?text=of-corp&by=cn"


def test_a_session_that_nobody_uses_ends_although_its_page_polls(tmp_path: Path):
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
        "UI_IDLE_TIMEOUT": "2s",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    with configured_server(tmp_path, settings) as server:
        visitor = Visitor(server)
        assert visitor.log_in(first_key(server)).status == 303
        with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as database:
            ((first,),) = database.execute("SELECT expires_us FROM sessions").fetchall()
            deadline = time.monotonic() + WAIT_SECONDS
            while visitor.get("/est?poll=1").status == 200:
                assert time.monotonic() < deadline, "an idle session never ends"
            ((last,),) = database.execute("SELECT expires_us FROM sessions").fetchall()
        assert last == first
        assert (
            visitor.get("/", HX_Request="true").headers["Hx-Redirect"] == "/login?next=/&why=ended"
        )


def pem(name: str, label: str = "CERTIFICATE") -> str:
    text = base64.encodebytes((FOUND / name).read_bytes()).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def test_odd_octets_a_certificate_with_a_key_of_unknown_kind_has_a_page(site: Site):
    certificates = {"certificates": pem("shown/key-of-a-kind-unknown"), "issuer": "old"}
    assert site.root.post("/certificates/import", certificates)["imported"] == 1
    (row,) = site.root.get("/certificates?issuer_id=external:old")["data"]
    page = site.visitor(Role.VIEWER).get(f"/certificates/{row['id']}")
    assert page.status == 200
    assert "1.3.111.112" in page.text


def test_odd_octets_a_pasted_certificate_of_an_unknown_version_is_told(site: Site):
    fields = {
        "profile": "corp",
        "operation": "simpleenroll",
        "csr": pem("../corpus/csr/p256", "CERTIFICATE REQUEST"),
        "certificate": pem("presented/version-18"),
    }
    page = site.visitor(Role.OPERATOR).post("/explain", fields)
    assert page.status == 422
    assert "is not PEM" in page.text


@pytest.mark.parametrize("place", [(1 << 63, "0"), (0, "a\0b")], ids=["65 bits", "NUL"])
def test_odd_octets_a_forged_cursor_is_refused_and_no_fault(site: Site, place: tuple[int, str]):
    cursor = cursors.write(place, CertificateFilter(), oldest_first=False)
    assert site.visitor().get(f"/certificates?cursor={cursor}").status == 422
    api = ApiClient(site.server, site.keys[Role.ADMIN])
    assert api.send("GET", f"/certificates?cursor={cursor}").status == 422
