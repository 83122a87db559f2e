"""The inventory over REST: filters, pages, history, holds, imports; explain; issuers; events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.receiver import Receiver, receiver
from tests.harness.records import all_events, certificate_count
from tests.harness.server import RunningServer, configured_server

PASSWORD = "corp-password-0001"
WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """``corp`` is of tenant north, ``iot`` of south; ``pump`` has renewed itself once."""

    directory: Path
    server: RunningServer
    root: ApiClient
    pump: Device
    first_pump: x509.Certificate
    fan: Device

    def found(self, query: str) -> list[str]:
        """Serials in the order of the list, of devices alone."""
        listed = self.root.get(f"/certificates?source=EST&{query}")
        return [each["serial"] for each in listed["data"]]

    def actions(self, after: int) -> list[tuple[str, str]]:
        found = (each.event for each in all_events(self.server, after=after))
        return [(each.action.value, each.actor) for each in found]


def serial(certificate: x509.Certificate | None) -> str:
    assert certificate is not None
    return f"{certificate.serial_number:x}"


def enrolled(server: RunningServer, directory: Path, name: str, profile: str) -> Device:
    device = Device(directory, name, san=[x509.DNSName(f"{name}.example.org")])
    path = f"/.well-known/est/{profile}/simpleenroll"
    assert device.enroll(server, path, password=PASSWORD).status == 200
    return device


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("inventory")
    (directory / "hook.secret").write_text("4f1d7e0c2b5a49d8936e-planted-key\n")
    settings = {
        "EST_PROFILES": "corp,iot",
        "WEBHOOKS": "ops",
        "WEBHOOK_OPS_URL": hook.url,
        "WEBHOOK_OPS_SECRET_FILE": str(directory / "hook.secret"),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    for name, tenant in (("CORP", "north"), ("IOT", "south")):
        settings |= {
            f"EST_PROFILE_{name}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{name}_ALLOWED_AUTH_MODES": "basic,mtls",
            f"EST_PROFILE_{name}_ENROLLMENT_PASSWORD": PASSWORD,
            f"EST_PROFILE_{name}_MTLS_OWN_ONLY": "true",
            f"EST_PROFILE_{name}_TENANT": tenant,
        }
    with configured_server(directory, settings) as server:
        pump = enrolled(server, directory, "Pump-1", "corp")
        first = pump.certificate
        assert first is not None
        path = "/.well-known/est/corp/simplereenroll"
        assert pump.enroll(server, path, with_certificate=True).status == 200
        fan = enrolled(server, directory, "fan-2", "iot")
        yield Site(directory, server, ApiClient(server, first_key(server)), pump, first, fan)


def test_every_filter_finds_what_it_asks_for_and_nothing_else(site: Site):
    rows = {each["serial"]: each for each in site.root.get("/certificates?source=EST")["data"]}
    first, second, fan = (
        serial(each) for each in (site.first_pump, site.pump.certificate, site.fan.certificate)
    )
    assert list(rows) == [fan, second, first]
    issued = quote(rows[second]["issued_at"])
    expires = quote(rows[fan]["not_after"])
    colons = ":".join(second[at : at + 2] for at in range(0, len(second), 2))
    for query, wanted in {
        "oldest_first=true": [first, second, fan],
        "cn=pump-1": [second, first],
        "cn=PUMP*": [first, second],
        "cn=pump": [],
        "san=dns:fan-2.example.org": [fan],
        "san=fan*": [fan],
        "principal=fan-2": [fan],
        "principal=FAN-2": [],
        f"serial={second}": [second],
        f"serial={colons.upper()}": [second],
        f"fingerprint={rows[first]['fingerprint']}": [first],
        f"spki_sha256={rows[fan]['spki_sha256']}": [fan],
        "profile=iot": [fan],
        "profile=": [],
        "certificate_profile=default": [fan, second, first],
        "certificate_profile=none": [],
        "issuer_id=iss-local": [fan, second, first],
        "issuer_id=none": [],
        "status=revoked": [],
        "status=expired": [],
        f"issued_from={issued}": [fan, second],
        f"issued_before={issued}": [first],
        f"expires_before={expires}": [
            each for each in (first, second) if rows[each]["not_after"] < rows[fan]["not_after"]
        ],
        "tenant=north": [second, first],
        "tenant=north&profile=iot": [],
        "tenant=north&cn=pump*&oldest_first=true": [first, second],
    }.items():
        found = site.found(query)
        assert (sorted(found) if "before" in query or "*" in query else found) == (
            sorted(wanted) if "before" in query or "*" in query else wanted
        ), query
    assert site.root.get("/certificates?source=internal")["data"]
    for query in ("status=none", "serial=xyz", "fingerprint=ab", "issued_from=1", "cnn=x"):
        assert site.root.send("GET", f"/certificates?{query}").status == 422, query


def test_pages_join_and_say_their_total_where_that_is_cheap(site: Site):
    everything = site.root.get("/certificates")
    rows = [each["id"] for each in everything["data"]]
    assert (everything["total"], everything["next_cursor"]) == (len(rows), None)
    paged: list[str] = []
    cursor = ""
    while True:
        page = site.root.get(f"/certificates?per_page=1{cursor}")
        assert page["total"] == len(rows)
        paged += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == rows
    for number, row in enumerate(rows, start=1):
        (found,) = site.root.get(f"/certificates?per_page=1&page={number}")["data"]
        assert found["id"] == row
    assert site.root.get(f"/certificates?per_page=1&page={len(rows) + 1}")["data"] == []
    assert site.root.send("GET", "/certificates?per_page=500&page=9999").status == 422
    filtered = site.root.get("/certificates?cn=pump-1")
    assert (filtered["total"], len(filtered["data"])) == (2, 2)
    part = site.root.get("/certificates?cn=pump-1&per_page=1")
    assert part["total"] is None
    cursor = part["next_cursor"]
    other = site.root.send("GET", f"/certificates?cn=fan-2&cursor={cursor}")
    assert (other.status, json.loads(other.body)["error"]) == (422, "cursor_refused")
    # Nor is it of any use to a key that sees another part.
    south = site.root.with_key(site.root.make_key("south", Role.VIEWER, tenant="south"))
    assert south.send("GET", f"/certificates?cn=pump-1&per_page=1&cursor={cursor}").status == 422


@pytest.mark.parametrize("held", [{"tenant": "south"}, {"profiles": ["iot", "other"]}], ids=str)
def test_a_key_sees_its_part_whatever_it_asks_for(site: Site, held: dict[str, object]):
    client = site.root.with_key(site.root.make_key("part", Role.VIEWER, **held))
    fan = serial(site.fan.certificate)
    for query, wanted in {
        "": [fan],
        "oldest_first=true": [fan],
        "cn=pump*": [],
        f"serial={serial(site.first_pump)}": [],
        "profile=corp": [],
        "tenant=north": [],
        "issuer_id=iss-local": [fan],
        "status=valid": [fan],
        "expires_from=2020-01-01T00:00:00Z": [fan],
        "san=*": [fan],
    }.items():
        listed = client.get(f"/certificates?{query}")
        assert [each["serial"] for each in listed["data"]] == wanted, query
        assert listed["total"] == len(wanted)
    assert [each["profiles"] for each in client.get("/issuers")["data"]] == [["iot"]]


def test_a_certificate_tells_its_history(site: Site):
    (first,) = site.root.get(f"/certificates?serial={serial(site.first_pump)}")["data"]
    (second,) = site.root.get(f"/certificates?serial={serial(site.pump.certificate)}")["data"]
    shown = site.root.get(f"/certificates/{first['id']}")
    assert [each["id"] for each in shown["renewal_history"]] == [second["id"]]
    assert shown["auth_mode"] == "basic"
    assert x509.load_pem_x509_certificate(shown["pem"].encode()) == site.first_pump
    shown = site.root.get(f"/certificates/{second['id']}")
    assert [each["id"] for each in shown["renewal_history"]] == [first["id"]]
    assert shown["renews"] == first["id"]


def test_a_hold_is_released_and_nothing_else_is(site: Site):
    (row,) = site.root.get("/certificates?cn=fan-2")["data"]
    path = f"/certificates/{row['id']}"
    assert site.root.send("POST", f"{path}/release").status == 409
    site.root.post(f"{path}/revoke", {"reason": "certificateHold"})
    assert site.root.get(path)["status"] == "hold"
    assert [each["id"] for each in site.root.get("/certificates?status=hold")["data"]] == [
        row["id"]
    ]
    after = all_events(site.server)[-1].seq
    viewer = site.root.with_key(site.root.make_key("looks", Role.VIEWER))
    assert viewer.send("POST", f"{path}/release").status == 403
    operator = site.root.with_key(site.root.make_key("frees", Role.OPERATOR))
    assert operator.send("POST", f"{path}/release").status == 200
    shown = site.root.get(path)
    assert (shown["status"], shown["released_at"] is None) == ("valid", False)
    assert (AuditAction.CERTIFICATE_RELEASED, "key:frees") in site.actions(after)


def test_foreign_certificates_are_imported_all_or_none(site: Site):
    foreign = ForeignCA("old")
    pems = [
        (foreign.equip(Device(site.directory, f"old-{number}")).certificate_file).read_text()
        for number in range(2)
    ]
    before, after = certificate_count(site.server), all_events(site.server)[-1].seq
    bad = pems[0] + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for body, status in (
        ({"certificates": bad}, 422),
        ({"certificates": "no PEM"}, 422),
        ({"certificates": pems[0], "issuer": "A B"}, 422),
        ({"certificates": "-----BEGIN CERTIFICATE-----\n" * 20_000}, 422),
    ):
        assert site.root.send("POST", "/certificates/import", body).status == status
    refused = json.loads(site.root.send("POST", "/certificates/import", {"certificates": bad}).body)
    assert refused["errors"][0]["field"] == "certificates.2"
    assert certificate_count(site.server) == before
    assert site.actions(after) == []
    body = {"certificates": "".join(pems), "issuer": "old-ca"}
    assert site.root.post("/certificates/import", body) == {"imported": 2, "duplicates": 0}
    assert site.root.post("/certificates/import", body) == {"imported": 0, "duplicates": 2}
    listed = site.root.get("/certificates?source=API")["data"]
    assert {each["issuer_id"] for each in listed} == {"external:old-ca"}
    assert site.actions(after) == [(AuditAction.CERTIFICATE_IMPORTED, "key:root")] * 2
    south = site.root.with_key(site.root.make_key("south-op", Role.OPERATOR, tenant="south"))
    assert south.send("POST", "/certificates/import", body).status == 403


def test_explain_foretells_and_issues_nothing(site: Site):
    before = certificate_count(site.server)
    after = all_events(site.server)[-1].seq
    csr = Device(site.directory, "new").csr().public_bytes(Encoding.PEM).decode()
    body = {"profile": "corp", "csr": csr, "user": "new", "source": "192.0.2.7"}
    told = site.root.post("/est/explain", body)
    assert (told["outcome"], told["refused_by"]) == ("issued", None)
    assert told["certificate"]["subject"] == "CN=new"
    assert {each["verdict"] for each in told["rules"]} <= {"passed", "not_judged"}
    refused = site.root.post("/est/explain", body | {"csr": "bm9uZQ=="})
    assert (refused["outcome"], refused["refused_by"]) == ("refused", "body")
    assert refused["certificate"] is None
    renewal = body | {
        "operation": "simplereenroll",
        "csr": site.fan.csr().public_bytes(Encoding.PEM).decode(),
        "certificate": site.fan.certificate_file.read_text(),
        "profile": "iot",
        "user": None,
    }
    assert site.root.post("/est/explain", renewal)["certificate"]["renews"] is not None
    for changes, status in (
        ({"profile": "none"}, 404),
        ({"csr": ""}, 422),
        ({"source": "nowhere"}, 422),
        ({"operation": "cacerts"}, 422),
        ({"certificate": "none"}, 422),
        ({"user": "a:b"}, 422),
    ):
        assert site.root.send("POST", "/est/explain", body | changes).status == status, changes
    south = site.root.with_key(site.root.make_key("asks", Role.OPERATOR, tenant="south"))
    assert south.send("POST", "/est/explain", body).status == 404
    viewer = site.root.with_key(site.root.make_key("sees", Role.VIEWER))
    assert viewer.send("POST", "/est/explain", body).status == 403
    assert certificate_count(site.server) == before
    actions = {action for action, _ in site.actions(after)}
    assert actions <= {AuditAction.API_KEY_CREATED, AuditAction.API_REFUSED}


def test_issuers_are_shown_without_their_secrets(site: Site):
    deadline = time.monotonic() + WAIT_SECONDS
    while (issuer := site.root.get("/issuers/iss-local"))["crl"] is None:
        assert time.monotonic() < deadline, "no CRL was ever published"
        time.sleep(0.1)
    (listed,) = site.root.get("/issuers")["data"]
    assert {**listed, "crl": None} == {**issuer, "crl": None}
    crl = issuer["crl"]
    assert (crl["number"] >= 1, crl["overdue"]) == (True, False)
    assert crl["this_update"] < crl["next_update"]
    assert issuer["ocsp_responder"]["issuer"] == issuer["chain"][0]["subject"]
    assert issuer["ocsp_responder"]["days_to_expiry"] >= 0
    assert (issuer["type"], issuer["profiles"]) == ("local", ["corp", "iot"])
    ca = x509.load_pem_x509_certificate(site.server.ca_file.read_bytes())
    assert issuer["chain"][0]["subject"] == ca.subject.rfc4514_string()
    assert issuer["days_to_expiry"] == issuer["chain"][-1]["days_to_expiry"] > 300
    # What kind of key it is; nothing of the key.
    assert issuer.pop("key") == "ECDSA-256"
    assert "key" not in json.dumps(issuer).lower()
    assert site.root.send("GET", "/issuers/none").status == 404


def test_events_are_listed_and_dead_ones_are_sent_again(site: Site, hook: Receiver):
    hook.wait(lambda posts: len(posts) >= 3)
    deadline = time.monotonic() + WAIT_SECONDS
    while site.root.get("/events?status=waiting")["total"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    listed = site.root.get("/events?status=delivered&per_page=1")
    paged = [each["event_id"] for each in listed["data"]]
    while listed["next_cursor"] is not None:
        listed = site.root.get(
            f"/events?status=delivered&per_page=1&cursor={listed['next_cursor']}"
        )
        paged += [each["event_id"] for each in listed["data"]]
    rows = site.root.get("/events?per_page=500")["data"]
    assert paged == [each["event_id"] for each in rows]
    assert {each["type"] for each in rows} >= {"cert.issued", "cert.renewed"}
    assert site.root.send("GET", "/events?cursor=none").status == 422
    event_id = rows[0]["event_id"]
    shown = site.root.get(f"/events/{event_id}")
    assert shown["event"]["id"] == event_id
    assert [each["status"] for each in shown["deliveries"]] == ["delivered"]
    assert site.root.send("GET", f"/events/{'0' * 32}").status == 404
    # Nothing is dead, so there is nothing to be sent again.
    assert site.root.get("/events?status=dead") == {"data": [], "total": 0, "next_cursor": None}
    assert site.root.send("POST", f"/events/{event_id}/requeue", {}).status == 404
    assert site.root.post("/events/requeue", {"all": True}) == {"requeued": 0, "more": False}
    assert site.root.send("POST", "/events/requeue", {}).status == 400
    assert site.root.send("POST", "/events/requeue", {"channel": "x", "all": True}).status == 400
