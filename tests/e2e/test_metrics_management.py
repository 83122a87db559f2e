"""Metrics of what operators use: REST, pages, MCP; and of issuers made over the API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.harness import mcp
from tests.harness.api import ApiClient
from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.issuers import LINE, PASSWORD, House, issuer_house
from tests.harness.metrics import Metrics, from_port, until
from tests.harness.pages import Visitor
from tests.harness.server import free_port

ANSWERS = "certctl_http_answers_total"
SECONDS = "certctl_http_answer_seconds_count"
ISSUER = "/api/v1/issuers/{issuer_id}"
UNTIL = "certctl_ca_not_after_timestamp_seconds"
CALLS = "certctl_issuer_calls_total"
OTHER = "(other)"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with issuer_house(tmp_path_factory.mktemp("metrics")) as running:
        running.again(WORKERS="2", METRICS_PORT=str(free_port()))
        yield running


def read(house: House) -> Metrics:
    return from_port(int(house.server.environment["CERTCTL_METRICS_PORT"]))


def test_answers_of_both_workers_are_summed_by_route_method_and_status(house: House) -> None:
    before = read(house)

    def grown(name: str = ANSWERS, **labels: str) -> float:
        return read(house).total(name, **labels) - before.total(name, **labels)

    # Each on a connection of its own, so that the kernel gives them to both workers.
    for _ in range(20):
        assert house.api.send("GET", "/issuers/iss-local").status == 200
    assert house.api.send("GET", "/issuers/no-such-issuer").status == 404
    assert house.api.send("GET", "/planted-path").status == 404
    assert house.api.send("DELETE", "/stats").status == 405
    assert ApiClient(house.server).send("GET", "/stats").status == 401
    assert house.api.send("HEAD", "/stats").status == 200
    assert house.api.send("GET", "/openapi.json").status == 200
    assert grown(route=ISSUER, method="GET", status="2xx") == 20
    assert grown(route=ISSUER, method="GET", status="4xx") == 1
    assert grown(surface="api", route=OTHER, method="GET", status="4xx") == 1
    assert grown(surface="api", route=OTHER, method="DELETE", status="4xx") == 1
    assert grown(route="/api/v1/stats", status="4xx") == 1
    assert grown(route="/api/v1/stats", method="GET", status="2xx") == 1
    assert grown(route="/api/v1/openapi.json", status="2xx") == 1
    assert grown(surface="api") == grown(SECONDS, surface="api") == 26
    assert "planted-path" not in read(house).text
    assert "no-such-issuer" not in read(house).text


def test_pages_and_mcp_are_counted_by_themselves(house: House) -> None:
    before = read(house)
    visitor = Visitor(house.server)
    assert visitor.get("/audit").status == 303
    assert visitor.get("/login").status == 200
    assert visitor.log_in(house.root).status == 303
    assert visitor.get("/issuers/iss-local").status == 200
    assert visitor.get("/certificates/planted").status == 404
    with mcp.session(mcp.over_http(house.server, house.root)) as session:
        session.good("est_list_profiles")
    found = read(house)

    def grown(name: str = ANSWERS, **labels: str) -> float:
        return found.total(name, **labels) - before.total(name, **labels)

    assert grown(surface="pages", route="/audit", status="3xx") == 1
    assert grown(surface="pages", route="/login", method="GET", status="2xx") == 1
    assert grown(surface="pages", route="/login", method="POST", status="3xx") == 1
    assert grown(surface="pages", route="/issuers/{issuer}", status="2xx") == 1
    assert grown(surface="pages", route="/certificates/{certificate}", status="4xx") == 1
    assert grown(surface="pages") == grown(SECONDS, surface="pages") == 5
    assert grown(surface="mcp", route="/mcp", method="POST", status="2xx") >= 1
    # What a tool asks of the API in this process is no request of its own.
    assert grown(surface="api") == 0


def test_a_stream_is_counted_when_it_begins(house: House) -> None:
    before = read(house)
    assert house.api.send("GET", "/audit/stream").status == 200
    labels = {"route": "/api/v1/audit/stream", "status": "2xx"}
    wanted = before.total(ANSWERS, **labels) + 1
    until(lambda: read(house), lambda found: found.total(ANSWERS, **labels) == wanted)


def test_an_issuer_made_over_the_api_is_measured_like_those_of_the_settings(
    house: House, tmp_path: Path
) -> None:
    assert read(house).total(UNTIL, issuer="factory") == 0
    house.api.post("/issuers", {"id": "factory"})

    def is_whole(found: Metrics) -> bool:
        published = found.total("certctl_crl_size_bytes", issuer="factory") > 0
        responder = found.total("certctl_ocsp_responder_not_after_timestamp_seconds")
        return published and responder > 0 and found.total(UNTIL, issuer="factory") > 0

    found = until(lambda: read(house), is_whole)
    until_then = found.total(UNTIL, issuer="factory")
    since = found.total("certctl_crl_this_update_timestamp_seconds", issuer="factory")
    assert abs(time.time() - since) < 600
    # Its series are there before anything was counted.
    assert (CALLS, (("call", "issue"), ("issuer", "factory"), ("outcome", "ok"))) in found.samples

    house.again(**LINE)
    ca = x509.load_der_x509_certificate(house.published("/ca/factory.crt").body)
    assert until_then == ca.not_valid_after_utc.timestamp()
    device = Device(tmp_path, "robot-1")
    assert house.enroll("line", device) == 200
    assert device.certificate is not None
    asked = (
        ocsp.OCSPRequestBuilder().add_certificate(device.certificate, ca, hashes.SHA256()).build()
    )
    told = fetch(
        house.server,
        "POST",
        "/.well-known/pki/ocsp/factory",
        body=asked.public_bytes(Encoding.DER),
        headers={"Content-Type": "application/ocsp-request"},
    )
    assert told.status == 200
    found = read(house)
    assert found.total(CALLS, issuer="factory", call="issue", outcome="ok") == 1
    assert found.total("certctl_ocsp_answers_total", issuer="factory", outcome="told") == 1

    changed = house.api.send("PATCH", "/issuers/factory", {"enabled": False, "expected_version": 1})
    assert changed.status == 200, changed.text
    assert house.enroll("line", Device(tmp_path, "robot-2")) == 503
    found = read(house)
    assert found.total(CALLS, issuer="factory", call="issue", outcome="disabled") == 1
    assert found.total(CALLS, issuer="factory", call="issue", outcome="unavailable") == 0
    assert found.total(UNTIL, issuer="factory") > 0


def test_a_disabled_issuer_is_told_as_disabled_and_as_no_outage(
    house: House, tmp_path: Path
) -> None:
    if house.api.send("GET", "/issuers/factory").status == 404:
        house.api.post("/issuers", {"id": "factory"})
        house.again(**LINE)
    assert house.api.send("PATCH", "/issuers/factory", {"enabled": False}).status == 200
    before, issued = read(house), house.issued()
    path = "/.well-known/est/line/simpleenroll"
    answer = Device(tmp_path, "robot-3").enroll(house.server, path, password=PASSWORD)
    assert answer.status == 503
    assert "The issuer of this profile is disabled" in answer.text
    assert house.issued() == issued
    found = read(house)

    def grown(name: str, **labels: str) -> float:
        return found.total(name, **labels) - before.total(name, **labels)

    assert grown(CALLS, issuer="factory", outcome="disabled") == grown(CALLS) == 1
    answers = "certctl_est_answers_total"
    assert grown(answers, profile="line", outcome="refused", reason="issuer_disabled") == 1
    assert grown(answers, reason="issuer_error") == 0

    def refused() -> bool:
        number = answer.headers["X-Request-Id"]
        found = [each.event for each in house.events("est_simple_enroll_failed")]
        reasons = [each.details["reason"] for each in found if each.request_id == number]
        return reasons == ["issuer_disabled"]

    house.eventually(refused)
    # What the record says is shown with its rule and remedy, and the issuer as what it is.
    visitor = Visitor(house.server)
    visitor.log_in(house.root)
    assert "An operator has switched it off" in visitor.get("/est/activity").text
    shown = visitor.get("/issuers").text.partition('data-testid="issuer-factory"')[2]
    assert ">disabled<" in shown.partition("</tr>")[0]
    assert house.api.send("PATCH", "/issuers/factory", {"enabled": True}).status == 200
    assert house.enroll("line", Device(tmp_path, "robot-4")) == 200
