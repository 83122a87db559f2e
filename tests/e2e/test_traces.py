"""Traces as a collector gets them: of enrollments, the API, pages, MCP and events."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from certctl.domain.api_keys import Role
from tests.harness import mcp
from tests.harness.api import ApiClient, first_key
from tests.harness.collector import Collector, Span, collector
from tests.harness.device import Device
from tests.harness.metrics import Metrics, from_port, until
from tests.harness.outside import OutsideCA, outside_ca
from tests.harness.pages import Visitor
from tests.harness.receiver import Receiver, receiver
from tests.harness.server import PROGRAM, RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
OUTSIDE = "/.well-known/est/far/simpleenroll"
NOWHERE = "ab" * 16
SPANS = "certctl_trace_spans_total"
BASIC = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
}


class Site(NamedTuple):
    server: RunningServer
    collector: Collector
    ca: OutsideCA
    hook: Receiver
    key: str

    def trace_of(self, request_id: str) -> list[Span]:
        return self.collector.trace_of(**{"certctl.request_id": request_id})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("traces")
    secret = directory / "secret"
    secret.write_text("webhook-secret-0001")
    secret.chmod(0o600)
    ca = outside_ca(directory / "ca")
    with collector() as sink, receiver() as hook:
        server = configured_server(
            directory,
            {
                **BASIC,
                "EST_PROFILES": "corp,far",
                "ISSUERS": "iss-local,corp",
                "EST_PROFILE_FAR_ISSUER_ID": "corp",
                "EST_PROFILE_FAR_ALLOWED_AUTH_MODES": "basic",
                "EST_PROFILE_FAR_ENROLLMENT_PASSWORD": PASSWORD,
                "WEBHOOKS": "ops",
                "WEBHOOK_OPS_URL": hook.url,
                "WEBHOOK_OPS_SECRET_FILE": str(secret),
                "WEBHOOK_ALLOW_PRIVATE": "true",
                **ca.settings(),
            },
        )
        server.environment |= sink.environment()
        with server:
            yield Site(server, sink, ca, hook, first_key(server))


def tree(spans: list[Span]) -> dict[str, str]:
    """Each span's name, and that of its parent."""
    names = {each.id: each.name for each in spans}
    assert len(names) == len(spans)
    return {each.name: names.get(each.parent, each.parent) for each in spans}


def one(spans: list[Span], name: str) -> Span:
    (found,) = (each for each in spans if each.name == name)
    return found


def enrolled(
    site: Site, device: Device, path: str = ENROLL, password: str = PASSWORD
) -> list[Span]:
    """The trace of a device's enrollment that is let through."""
    assert device.enroll(site.server, path, password=password).status == 200
    assert device.certificate is not None
    serial = f"{device.certificate.serial_number:x}"
    return site.collector.trace_of(**{"certctl.serial": serial})


def test_an_enrollment_is_one_trace_from_the_socket_to_the_commit(
    site: Site, tmp_path: Path
) -> None:
    spans = enrolled(site, Device(tmp_path, "traced"))
    root = "POST /.well-known/est/{profile}/simpleenroll"
    assert tree(spans) == {
        root: "",
        "gate.authenticate": root,
        "gate.read": root,
        "gate.authorize": root,
        "gate.issue": root,
        "authority.issue": root,
        "authority.turn": "authority.issue",
        "issuer.sign": "authority.turn",
        "store.commit": "authority.turn",
    }
    server = one(spans, root)
    assert server.kind == "SERVER"
    assert not server.failed
    assert server.resource["service.name"] == "certctl"
    assert str(server.resource["certctl.process"]).startswith("worker-")
    assert (
        server.attributes.items()
        >= {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "http.route": "/.well-known/est/{profile}/simpleenroll",
            "certctl.profile": "corp",
            "certctl.operation": "simpleenroll",
            "certctl.outcome": "ok",
        }.items()
    )
    assert one(spans, "issuer.sign")["certctl.issuer"] == "iss-local"
    assert one(spans, "authority.turn")["certctl.batch.orders"] == 1
    # Each within its parent, and the gates one after the other.
    parents = {each.id: each for each in spans}
    for each in spans:
        assert each.began <= each.ended
        if each.parent:
            above = parents[each.parent]
            assert above.began <= each.began
            assert each.ended <= above.ended
    gates = [one(spans, f"gate.{gate}") for gate in ("authenticate", "read", "authorize", "issue")]
    assert all(one.ended == next_one.began for one, next_one in itertools.pairwise(gates))


def test_a_refusal_names_its_gate_and_reason_and_its_log_line_the_trace(
    site: Site, tmp_path: Path
) -> None:
    device = Device(tmp_path, "refused")
    answer = device.enroll(site.server, ENROLL, password=PASSWORD, body=b"AAAA")
    assert answer.status == 400
    number = answer.headers["X-Request-Id"]
    spans = site.trace_of(number)
    root = spans[0] if not spans[0].parent else next(each for each in spans if not each.parent)
    assert root["certctl.outcome"] == "refused"
    assert root["certctl.reason"] == "csr_invalid"
    assert not root.failed
    assert one(spans, "gate.authenticate")["certctl.outcome"] == "passed"
    read = one(spans, "gate.read")
    assert (read["certctl.outcome"], read["certctl.reason"]) == ("refused", "csr_invalid")
    assert "gate.authorize" not in tree(spans)
    (line,) = (
        each for each in site.server.log_events("enroll_refused") if each["request_id"] == number
    )
    assert line["trace_id"] == root.trace
    assert line["span_id"] == root.id


def test_what_the_authority_refuses_fails_at_its_own_gate(site: Site, tmp_path: Path) -> None:
    site.ca.mood("echo no >&2; exit 77")
    answer = Device(tmp_path, "denied").enroll(site.server, OUTSIDE, password=PASSWORD)
    assert answer.status == 403
    spans = site.trace_of(answer.headers["X-Request-Id"])
    assert one(spans, "gate.issue")["certctl.reason"] == "issuer_error"
    call = one(spans, "issuer.call")
    assert call["certctl.issuer"] == "corp"
    assert tree(spans)["issuer.call"] == "authority.issue"


def test_a_wrong_password_fails_at_authentication(site: Site, tmp_path: Path) -> None:
    answer = Device(tmp_path, "guess").enroll(site.server, ENROLL, password="wrong-password-00")
    spans = site.trace_of(answer.headers["X-Request-Id"])
    gate = one(spans, "gate.authenticate")
    assert gate["certctl.reason"] == "wrong_password"
    assert gate.ended <= one(spans, "authority.judge_attempt").ended


def test_requests_to_the_api_have_their_route_and_never_their_path(site: Site) -> None:
    api = ApiClient(site.server, site.key)
    answer = api.send("GET", f"/certificates/{NOWHERE}")
    assert answer.status == 404
    spans = site.trace_of(answer.headers["X-Request-Id"])
    assert spans[0].name == "GET /api/v1/certificates/{certificate_id}"
    assert spans[0]["certctl.surface"] == "api"
    nowhere = api.send("GET", "/planted-path-of-a-client")
    spans = site.trace_of(nowhere.headers["X-Request-Id"])
    assert spans[0].name == "GET"
    assert "http.route" not in spans[0].attributes
    assert b"planted-path" not in site.collector.raw
    assert NOWHERE.encode() not in site.collector.raw


def test_a_write_over_the_api_shows_its_command_at_the_authority(site: Site) -> None:
    body = {"name": "traced-key", "role": Role.VIEWER.value}
    answer = ApiClient(site.server, site.key).send("POST", "/keys", body)
    assert answer.status == 201
    spans = site.trace_of(answer.headers["X-Request-Id"])
    assert tree(spans) == {
        "POST /api/v1/keys": "",
        "authority.execute": "POST /api/v1/keys",
        "authority.command": "authority.execute",
        "store.commit": "authority.command",
    }
    assert one(spans, "authority.execute")["certctl.command"] == "CreateApiKey"


def test_pages_and_mcp_are_traced(site: Site) -> None:
    Visitor(site.server).get("/login")
    with mcp.session(mcp.over_http(site.server, site.key)) as session:
        session.good("est_list_profiles")

    def there(spans: list[Span]) -> bool:
        return {"GET /login", "POST /mcp"} <= {each.name for each in spans}

    spans = site.collector.wait(there)
    surfaces = {each.name: each.attributes.get("certctl.surface") for each in spans}
    assert surfaces["GET /login"] == "pages"
    assert surfaces["POST /mcp"] == "mcp"


def test_deliveries_of_events_are_traces_of_the_jobs_process(site: Site, tmp_path: Path) -> None:
    device = Device(tmp_path, "told")
    enrolled(site, device)

    def there(spans: list[Span]) -> bool:
        return any(each.attributes.get("certctl.outcome") == "delivered" for each in spans)

    spans = site.collector.wait(there)
    told = next(each for each in spans if each.name == "event.deliver")
    assert told.kind == "PRODUCER"
    assert told.resource["certctl.process"] == "jobs"
    assert told["certctl.channel"] == "ops"
    assert told["certctl.event.type"] == "cert.issued"


def test_only_workers_and_jobs_load_the_sdk(site: Site) -> None:
    """The process that holds the CA keys speaks to no collector."""
    for kind, loads in (("authority", False), ("supervisor", False), ("worker", True)):
        for pid in site.server.processes()[kind]:
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert ("google/_upb" in maps) is loads, kind


def server_for(directory: Path, sink: Collector, **more: str) -> tuple[RunningServer, int]:
    port = free_port()
    server = configured_server(directory, {**BASIC, "METRICS_PORT": str(port), "WORKERS": "1"})
    server.environment |= sink.environment() | more
    return server, port


def total(found: Metrics, outcome: str) -> float:
    return found.total(SPANS, outcome=outcome)


def has_lost(spans: int, found: Metrics) -> bool:
    return total(found, "failed") == spans


def test_a_collector_that_is_away_is_told_of_once_and_enrollment_goes_on(tmp_path: Path) -> None:
    with collector() as sink:
        server, port = server_for(tmp_path, sink, OTEL_EXPORTER_OTLP_TIMEOUT="1")
        sink.receiver.says(status=400)
        with server:
            for number in range(3):
                device = Device(tmp_path, f"away-{number}")
                assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
                until(lambda: from_port(port), partial(has_lost, 9 * (number + 1)))
            sink.receiver.says(status=200)
            device = Device(tmp_path, "back")
            assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
            until(lambda: from_port(port), lambda found: total(found, "exported") >= 9)
            assert len(server.log_events("traces_not_taken")) == 1
            sink.receiver.wait(lambda _: server.log_events("traces_taken_again"))


def test_a_collector_that_hangs_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    with collector() as sink:
        small = {"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4"}
        server, port = server_for(tmp_path, sink, **small)
        sink.receiver.says(hangs=True)
        with server:
            for number in range(6):
                device = Device(tmp_path, f"hung-{number}")
                assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
            found = until(lambda: from_port(port), lambda found: total(found, "dropped") > 0)
            assert total(found, "exported") == 0
            # Nine spans each; no more than the queue and a batch under way were kept.
            assert total(found, "dropped") >= 6 * 9 - 16 - 4
            assert server.stop() == 0
        assert "Traceback" not in server.log()


def test_where_traces_are_off_nothing_of_them_is_loaded(tmp_path: Path) -> None:
    with collector() as sink:
        server, port = server_for(tmp_path, sink, CERTCTL_TRACES_ENABLED="false")
        with server:
            device = Device(tmp_path, "untraced")
            assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
            for pid in itertools.chain(*server.processes().values()):
                assert "google/_upb" not in Path(f"/proc/{pid}/maps").read_text()
            assert from_port(port).total(SPANS) == 0
        assert sink.receiver.posts == []
        assert "trace_id" not in server.log()


def test_without_the_extra_traces_are_refused_at_the_start(tmp_path: Path) -> None:
    """In an environment that has all packages but OpenTelemetry's."""
    installed = Path(sysconfig.get_path("purelib"))
    (tmp_path / "site").mkdir()
    for path in installed.iterdir():
        if not path.name.startswith("opentelemetry"):
            (tmp_path / "site" / path.name).symlink_to(path)
    source = Path(__file__).parents[2] / "src"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{source}:{tmp_path / 'site'}",
        "CERTCTL_TRACES_ENABLED": "true",
    }
    python = str(Path(PROGRAM).with_name("python"))
    checked = subprocess.run(
        [python, "-S", "-m", "certctl", "check"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 2, checked.stderr
    assert "CERTCTL_TRACES_ENABLED" in checked.stdout + checked.stderr
    assert "pip install 'certctl[otel]'" in checked.stdout + checked.stderr


def test_json_of_log_lines_has_the_trace_only_where_there_is_one(site: Site) -> None:
    lines = [json.loads(line) for line in site.server.log().splitlines() if line.startswith("{")]
    assert all("trace_id" not in each for each in lines if each["process"] == "supervisor")
