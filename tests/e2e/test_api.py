"""The management API over TLS: reloads, approvals, revocations, lists, repeated writes."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from tests.harness.api import ApiClient, first_key, host_command
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import RunningServer, ruled_server

PASSWORD = "password-of-the-api-test"
WAIT_SECONDS = 15.0
NUMBERS = itertools.count()


@dataclass
class Site:
    """A server: ``slow`` needs two approvals, ``corp`` has mTLS, ``open`` is tenant north."""

    directory: Path
    server: RunningServer
    root: ApiClient
    factory: ForeignCA

    @property
    def bundle(self) -> Path:
        return self.directory / "corp.pem"

    def device(self, path_id: str) -> tuple[Device, int]:
        """A new device after its first request, and the answer's status."""
        device = Device(self.directory, f"api-device-{next(NUMBERS)}")
        headers = basic("device", PASSWORD)
        path = f"/.well-known/est/{path_id}/simpleenroll"
        return device, device.enroll(self.server, path, headers=headers).status

    def events(self, action: AuditAction) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.root.get(f"/audit?action={action}&per_page=500")[
            "data"
        ]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("api")
    factory = ForeignCA("factory")
    factory.bundle(directory / "corp.pem")
    profile = {
        "ISSUER_ID": "iss-local",
        "ALLOWED_AUTH_MODES": "basic",
        "ENROLLMENT_PASSWORD": PASSWORD,
    }
    settings = {
        f"EST_PROFILE_{name}_{field}": value
        for name in ("SLOW", "CORP", "OPEN")
        for field, value in profile.items()
    } | {
        "EST_PROFILES": "slow,corp,open",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(directory / "corp.pem"),
        "EST_PROFILE_CORP_RATE_LIMIT_PER_PRINCIPAL_24H": "7",
        "EST_PROFILE_CORP_PROFILE_ID": "default",
        "EST_PROFILE_OPEN_PROFILE_ID": "default",
        "EST_PROFILE_OPEN_TENANT": "north",
        "PUBLIC_URL": "https://localhost",
        "RATE_LIMIT_ENABLED": "false",
        "MAX_BODY_SIZE": "4096",
    }
    rules = {"requires_approval": True, "approvals_needed": 2}
    with ruled_server(directory, settings, rules) as server:
        yield Site(directory, server, ApiClient(server, first_key(server)), factory)


def test_the_first_key_is_made_listed_and_revoked_on_the_host(site: Site):
    made = host_command(
        site.server, "keys", "create", "carol", "--tenant", "north", "--profile", "open"
    )
    carol = site.root.with_key(made.stdout.strip())
    assert carol.get("/auth/check") | {"expires": None} == {
        "status": "authenticated",
        "user": "carol",
        "admin": False,
        "role": "viewer",
        "tenant": "north",
        "profiles": ["open"],
        "expires": None,
    }
    listed = host_command(site.server, "keys", "list", "--output", "table").stdout
    key_id = made.stderr.split()[0]
    (row,) = [line for line in listed.splitlines() if key_id in line]
    assert row.split()[1:] == ["carol", "viewer", "north", "open", "never", "usable"]
    assert made.stdout.strip() not in listed
    assert "revoked" in host_command(site.server, "keys", "revoke", key_id).stdout
    deadline = time.monotonic() + 3
    while carol.send("GET", "/audit").status != 401:
        assert time.monotonic() < deadline
    assert host_command(site.server, "keys", "revoke", "0" * 32).returncode == 3
    assert host_command(site.server, "keys", "create", "a b").returncode == 2
    created = [
        each
        for each in site.events(AuditAction.API_KEY_CREATED)
        if each["resource"] == {"type": "api_key", "id": key_id}
    ]
    assert [str(each["actor"]).partition(":")[0] for each in created] == ["host"]
    revoked = site.events(AuditAction.API_KEY_REVOKED)[0]
    assert revoked["resource"] == {"type": "api_key", "id": key_id}


def test_another_pepper_keeps_the_server_from_starting(site: Site):
    pepper = site.server.database.parent / "api.pepper"
    kept = pepper.read_text()
    site.server.stop()
    try:
        for text in (kept[::-1].strip() + "\n", "damaged", None):
            if text is None:
                pepper.unlink()
            else:
                pepper.write_text(text)
            site.server.launch()
            assert site.server.process.wait(30) != 0
            assert "pepper" in site.server.log().splitlines()[-1] or "pepper" in site.server.log()
    finally:
        pepper.write_text(kept)
        pepper.chmod(0o600)
        site.server.start()
    assert site.root.get("/auth/check")["user"] == "root"


def test_profiles_show_everything_the_page_needs(site: Site):
    answer = site.root.get("/admin/est/profiles")
    profiles = {each["path_id"]: each for each in answer["profiles"]}
    corp = profiles["corp"]
    assert list(profiles) == ["slow", "corp", "open"]
    assert (corp["issuer_id"], corp["profile_id"], corp["rate_limit"]) == (
        "iss-local",
        "default",
        7,
    )
    assert corp["auth_modes"] == ["basic", "mtls"]
    assert (corp["mtls_enabled"], corp["basic_auth_configured"]) == (True, True)
    assert corp["trust_anchor_path"] == str(site.bundle)
    (anchor,) = corp["trust_anchors"]
    certificate = site.factory.certificate
    assert anchor["subject"] == "CN=factory"
    assert int(anchor["serial"], 16) == certificate.serial_number
    left = certificate.not_valid_after_utc - datetime.fromisoformat(answer["now"])
    assert anchor["days_to_expiry"] == left.days
    assert anchor["expired"] is False
    assert len(corp["counters"]) == 12
    assert "https://localhost/.well-known/est-mtls/corp/simpleenroll" in corp["urls"]
    assert any("password is also that of" in each for each in profiles["open"]["lint"])
    assert profiles["slow"]["trust_anchors"] == []


def test_a_device_shows_in_counters_lists_and_figures(site: Site):
    before = counter(site, "open")
    device, status = site.device("open")
    assert status == 200
    assert counter(site, "open") == before + 1
    found = find(site, device)
    assert (found["tenant"], found["status"], found["profile"]) == ("north", "valid", "open")
    chain = site.root.send("GET", f"/certificates/{found['id']}/chain.pem")
    assert chain.headers["Content-Type"] == "application/pem-certificate-chain"
    leaf, ca = x509.load_pem_x509_certificates(chain.body)
    assert device.certificate is not None
    assert leaf == device.certificate
    leaf.verify_directly_issued_by(ca)
    stats = site.root.get("/stats")
    assert [each["hours"] for each in stats["rates"]] == [1, 24]
    assert all(each["enrolled"] >= 1 for each in stats["rates"])
    assert sum(each["certificates"] for each in stats["expiry"]) >= 1
    north = site.root.with_key(site.root.make_key("of-north", Role.VIEWER, tenant="north"))
    assert {each["tenant"] for each in north.get("/certificates")["data"]} == {"north"}


def counter(site: Site, path_id: str) -> int:
    profiles = site.root.get("/admin/est/profiles")["profiles"]
    (found,) = [each for each in profiles if each["path_id"] == path_id]
    return int(found["counters"]["success_simpleenroll"])


def find(site: Site, device: Device) -> dict[str, str]:
    rows = site.root.get("/certificates?per_page=500")["data"]
    (row,) = [each for each in rows if device.common_name in each["subject"]]
    found: dict[str, str] = row
    return found


def test_a_reload_says_what_came_and_went_and_a_bad_bundle_changes_nothing(site: Site):
    def reload(path_id: str = "corp"):
        return site.root.send("POST", "/admin/est/reload-trust", {"path_id": path_id})

    other = ForeignCA("other factory")
    good = site.bundle.read_bytes()
    site.bundle.write_bytes(good + other.certificate.public_bytes(Encoding.PEM))
    answer = json.loads(reload().body)
    assert (answer["reloaded"], answer["path_id"], answer["changed"]) == (True, "corp", True)
    assert [each.partition(" (")[0] for each in answer["added"]] == ["CN=other factory"]
    assert answer["removed"] == []
    event = site.events(AuditAction.TRUST_ANCHOR_RELOADED)[0]
    assert (event["actor"], event["source_address"]) == ("key:root", "127.0.0.1")
    anchors = len(anchors_of(site))
    site.bundle.write_text("not a certificate")
    refused = reload()
    problem = json.loads(refused.body)
    assert refused.status == 422
    assert problem["error"] == "trust_bundle"
    assert str(site.bundle) in problem["message"]
    assert len(anchors_of(site)) == anchors == 2
    site.bundle.write_bytes(good)
    assert [each.partition(" (")[0] for each in json.loads(reload().body)["removed"]] == [
        "CN=other factory"
    ]
    assert reload("open").status == 409
    assert reload("absent").status == 404


def anchors_of(site: Site) -> list[object]:
    profiles = site.root.get("/admin/est/profiles")["profiles"]
    found: list[object] = next(each for each in profiles if each["path_id"] == "corp")[
        "trust_anchors"
    ]
    return found


def test_two_approvals_need_two_keys(site: Site):
    device, status = site.device("slow")
    assert status == 202
    waiting = site.root.get("/est/requests?status=waiting&per_page=500")["data"]
    (request,) = [each for each in waiting if device.common_name in each["subject"]]
    path = f"/est/requests/{request['id']}"
    one, two = (site.root.with_key(site.root.make_key(n, Role.OPERATOR)) for n in ("one", "two"))
    assert one.post(f"{path}/approve", {"reason": "seen"})["status"] == "waiting"
    again = one.send("POST", f"{path}/approve", {})
    assert (again.status, json.loads(again.body)["error"]) == (409, "conflict")
    twin = site.root.with_key(site.root.make_key("one", Role.OPERATOR))
    assert twin.send("POST", f"{path}/approve", {}).status == 409
    assert two.post(f"{path}/approve", {})["status"] == "approved"
    shown = site.root.get(path)
    assert [each["actor"] for each in shown["decisions"]] == ["key:one", "key:two"]
    headers = basic("device", PASSWORD)
    enrolled = device.enroll(site.server, "/.well-known/est/slow/simpleenroll", headers=headers)
    assert enrolled.status == 200
    assert site.root.get(path)["status"] == "issued"
    assert {each["actor"] for each in site.events(AuditAction.REQUEST_APPROVED)} >= {
        "key:one",
        "key:two",
    }


def test_a_denial_has_a_reason_and_is_told_to_the_device(site: Site):
    device, _ = site.device("slow")
    waiting = site.root.get("/est/requests?status=waiting&per_page=500")["data"]
    (request,) = [each for each in waiting if device.common_name in each["subject"]]
    path = f"/est/requests/{request['id']}/deny"
    assert site.root.send("POST", path, {"reason": ""}).status == 422
    assert site.root.post(path, {"reason": "not ours"})["status"] == "denied"
    headers = basic("device", PASSWORD)
    answer = device.enroll(site.server, "/.well-known/est/slow/simpleenroll", headers=headers)
    assert (answer.status, "not ours" in answer.text) == (403, True)
    denied = [each["resource"] for each in site.events(AuditAction.REQUEST_DENIED)]
    assert {"type": "request", "id": request["id"]} in denied


def test_the_first_revocation_stands_and_one_write_is_done_once(site: Site):
    device, _ = site.device("open")
    row = find(site, device)
    path = f"/certificates/{row['id']}/revoke"
    body = {"reason": "keyCompromise"}
    first = site.root.post(path, body, Idempotency_Key="revoke-1")
    assert (first["reason"], first["already_revoked"]) == ("keyCompromise", False)
    assert site.root.post(path, body, Idempotency_Key="revoke-1") == first
    other = site.root.send(
        "POST", path, {"reason": "superseded"}, headers={"Idempotency-Key": "revoke-1"}
    )
    assert (other.status, json.loads(other.body)["error"]) == (422, "idempotency_key_reused")
    second = site.root.post(path, {"reason": "superseded"})
    assert second == first | {"already_revoked": True}
    by_serial = f"/certificates/serial/{row['serial'].upper()}/revoke"
    assert site.root.post(by_serial, {"issuer_id": "iss-local"}) == second
    assert site.root.send("POST", by_serial, {"issuer_id": "another"}).status == 404
    events = [
        each
        for each in site.events(AuditAction.CERTIFICATE_REVOKED)
        if each["resource"] == {"type": "certificate", "id": row["id"]}
    ]
    assert [each["actor"] for each in events] == ["key:root"]
    assert site.root.get(f"/certificates/{row['id']}")["status"] == "revoked"
    bad = {"Idempotency-Key": "a b"}
    assert site.root.send("POST", path, body, headers=bad).status == 400


def test_a_repeated_key_creation_makes_one_key_and_shows_it_once(site: Site):
    body = {"name": "once", "role": "viewer"}
    first = site.root.post("/keys", body, Idempotency_Key="k")
    second = site.root.post("/keys", body, Idempotency_Key="k")
    assert second == {"id": first["id"], "name": "once", "key": None}
    rows = [each for each in site.root.get("/keys")["data"] if each["name"] == "once"]
    assert [each["id"] for each in rows] == [first["id"]]
    # Another key's Idempotency-Key is another key's.
    chief = site.root.with_key(site.root.make_key("chief", Role.ADMIN))
    assert chief.post("/keys", body, Idempotency_Key="k")["id"] != first["id"]
    with closing(sqlite3.connect(site.server.database)) as database:
        kept = b"".join(row[0] for row in database.execute("SELECT result FROM kept_answers"))
    assert first["key"].encode() not in kept
    assert first["key"].rsplit("_", 1)[1].encode() not in kept


def test_certificate_profiles_are_made_changed_and_removed(site: Site):
    document = {"max_ttl_seconds": 3600, "allowed_san_types": ["dns"]}
    made = site.root.post("/profiles", {"id": "cp-api", "document": document})
    assert made == {"id": "cp-api", "version": 1}
    # Whoever has made it sees it at once, whichever worker answers.
    assert site.root.get("/profiles/cp-api")["document"] == document
    assert site.root.send("POST", "/profiles", {"id": "cp-api", "document": {}}).status == 409
    put = {"document": document | {"max_sans": 3}, "expected_version": 7}
    assert site.root.send("PUT", "/profiles/cp-api", put).status == 409
    put["expected_version"] = 1
    assert site.root.send("PUT", "/profiles/cp-api", put).status == 200
    faulty = site.root.send("PUT", "/profiles/cp-api", {"document": {"max_sans": "many"}})
    problem = json.loads(faulty.body)
    assert (faulty.status, problem["error"]) == (422, "invalid_profile")
    assert [each["field"] for each in problem["errors"]] == ["body.document.max_sans"]
    origins = {each["id"]: each["origin"] for each in site.root.get("/profiles")["data"]}
    assert origins["default"] == "builtin"
    assert origins["ruled"] == "file"
    assert site.root.send("DELETE", "/profiles/cp-api").status == 200
    assert site.root.send("DELETE", "/profiles/cp-api").status == 404
    assert site.root.send("DELETE", "/profiles/ruled").status == 404
    changes = [
        each["details"]["change"]  # type: ignore[index]
        for each in site.events(AuditAction.CONFIG_CHANGED)
        if each["resource"] == {"type": "certificate_profile", "id": "cp-api"}
    ]
    assert changes == ["deleted", "put", "put"]


def test_audit_filters_reach_the_store_and_pages_join(site: Site):
    site.device("open")
    everything = site.root.get("/audit?per_page=500")
    rows = everything["data"]
    assert everything["total"] == len(rows) == len(all_events(site.server))
    for query, holds in {
        "action=est_": lambda each: each["action"].startswith("est_"),
        "actor=key:root": lambda each: each["actor"] == "key:root",
        "profile=open": lambda each: each["profile"] == "open",
        "outcome=success": lambda each: each["outcome"] == "success",
        "source=127.0.0.1": lambda each: each["source_address"] == "127.0.0.1",
        f"from={rows[3]['time']}": lambda each: each["time"] >= rows[3]["time"],
        f"to={rows[3]['time']}": lambda each: each["time"] < rows[3]["time"],
        "text=API-DEVICE": lambda each: "api-device" in json.dumps(each),
    }.items():
        found = site.root.get(f"/audit?per_page=500&{query}")["data"]
        wanted = [each["id"] for each in rows if holds(each)]
        assert [each["id"] for each in found if each["id"] in {row["id"] for row in rows}] == wanted
        assert found, query
    paged: list[str] = []
    cursor = ""
    while True:
        page = site.root.get(f"/audit?per_page=7&to={rows[0]['time']}{cursor}")
        paged += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == [each["id"] for each in rows if each["time"] < rows[0]["time"]]
    second = site.root.get(f"/audit?per_page=7&page=2&to={rows[0]['time']}")["data"]
    assert [each["id"] for each in second] == paged[7:14]
    assert site.root.get(f"/audit/{rows[0]['id']}") == rows[0]
    assert site.root.get("/audit/checkpoints")["data"][0]["number"] == 1
    names = {each["name"] for each in site.root.get("/jobs")["data"]}
    assert {"checkpoint", "purge"} <= names


def test_the_document_and_its_page_are_served_without_anything_from_afar(site: Site):
    nobody = site.root.with_key(None)
    document = json.loads(nobody.send("GET", "/openapi.json").body)
    assert document["openapi"].startswith("3.1.")
    page = nobody.send("GET", "/api/docs", prefix="")
    style = nobody.send("GET", "/api/docs/style.css", prefix="")
    assert (page.status, style.status) == (200, 200)
    assert "script" not in page.headers["Content-Security-Policy"]
    for text in (page.text, style.text):
        assert "<script" not in text
        assert "://" not in text
    for path in document["paths"]:
        assert path in page.text
    assert nobody.send("GET", "/version").status == 200
    assert json.loads(nobody.send("GET", "/auth/info").body) == {
        "auth_type": "api-key",
        "required": True,
    }
    assert nobody.send("HEAD", "/version").body == b""
