"""``/metrics`` of a running server: what it shows, to whom, and that it only ever grows."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.api_keys import Role
from certctl.obs.metrics.families import FAMILIES, Kind
from tests.clients.tools import need, run
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import basic, fetch, tls_context
from tests.harness.metrics import Metrics, ask_port, from_port, until
from tests.harness.outside import OutsideCA, outside_ca
from tests.harness.pages import Visitor
from tests.harness.pki import ForeignCA
from tests.harness.prometheus import Prometheus, prometheus
from tests.harness.raw import RawClient, new_source, post
from tests.harness.receiver import Receiver, receiver
from tests.harness.server import RunningServer, configured_server, free_port

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
BOARD = ROOT / "deploy" / "grafana" / "certctl.json"

MONITOR = ROOT / "docs" / "how-to" / "monitor.md"
PASSWORD = "corp-password-0001"
SECRET = "planted-webhook-secret"
ENROLL = "/.well-known/est/corp/simpleenroll"
OUTSIDE = "/.well-known/est/far/simpleenroll"
NAME = re.compile(r"\bcertctl_[a-z0-9_]+")
WAIT_SECONDS = 60.0
ANSWERS = "certctl_est_answers_total"


class Site(NamedTuple):
    server: RunningServer
    port: int
    ca: OutsideCA
    viewer: str

    def read(self) -> Metrics:
        return from_port(self.port)

    def ask(self, device: Device, path: str = ENROLL, password: str = PASSWORD) -> int:
        return device.enroll(self.server, path, password=password).status


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Site]:
    """Two workers, and one of everything that metrics tell of."""
    directory = tmp_path_factory.mktemp("metrics")
    secret = directory / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    bundle = ForeignCA("Factory").bundle(directory / "bundle.pem")
    ca = outside_ca(directory / "ca")
    port = free_port()
    server = configured_server(
        directory,
        {
            "METRICS_PORT": str(port),
            "TLS12_PORT": str(free_port()),
            "PKI_HTTP_PORT": str(free_port()),
            "PUBLIC_URL": "https://pki.example.com",
            "CRL_PARTITIONS": "2",
            "EST_PROFILES": "corp,far",
            "ISSUERS": "iss-local,corp",
            "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
            "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
            "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
            "EST_PROFILE_CORP_MTLS_ENABLED": "true",
            "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
            "EST_PROFILE_FAR_ISSUER_ID": "corp",
            "EST_PROFILE_FAR_ALLOWED_AUTH_MODES": "basic",
            "EST_PROFILE_FAR_ENROLLMENT_PASSWORD": "short-pw",
            "WEBHOOKS": "ops",
            "WEBHOOK_OPS_URL": hook.url,
            "WEBHOOK_OPS_SECRET_FILE": str(secret),
            "WEBHOOK_ALLOW_PRIVATE": "true",
            **ca.settings(),
        },
    )
    with server:
        made = Site(server, port, ca, first_key(server, "scrape", Role.VIEWER))
        device = Device(directory, "first")
        assert made.ask(device) == 200
        yield made


def complete(site: Site) -> Metrics:
    """Once the first CRL is there and the first event was taken."""
    return until(
        site.read,
        lambda found: (
            found.total("certctl_crl_size_bytes", issuer="iss-local") > 0
            and found.total("certctl_event_deliveries_total", outcome="delivered") > 0
        ),
    )


def test_every_metric_of_the_reference_is_there_and_nothing_else(site: Site) -> None:
    found = complete(site)
    # The parser calls a counter by its name without the suffix.
    named = {each.name.removesuffix("_total") for each in FAMILIES if each.kind is Kind.COUNTER}
    named |= {each.name for each in FAMILIES if each.kind is not Kind.COUNTER}
    assert found.families == named
    for secret in (SECRET, PASSWORD, site.viewer):
        assert secret not in found.text


@pytest.mark.parametrize("file", [RULES, BOARD], ids=lambda path: path.name)
def test_every_metric_that_rules_and_board_name_is_there(site: Site, file: Path) -> None:
    named = set(NAME.findall(file.read_text()))
    assert len(named) > 15
    assert named - complete(site).names() == set()


def test_prometheus_finds_nothing_to_blame(site: Site, tmp_path: Path) -> None:
    promtool = need("promtool", package="prometheus")
    answer = ask_port(site.port)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    checked = run([promtool, "check", "metrics"], directory=tmp_path, given=answer.body)
    assert (checked.code, checked.said) == (0, ""), checked.said


def test_answers_are_counted_by_profile_operation_outcome_and_reason(
    site: Site, tmp_path: Path
) -> None:
    before = site.read()
    device, source = Device(tmp_path, "counted"), new_source()
    assert site.ask(device) == 200
    line = "Authorization: " + basic("device", "wrong-password-00")["Authorization"]
    with RawClient(site.server, source=source) as client:
        client.send(post(ENROLL, device.csr().public_bytes(Encoding.DER), line))
        assert client.answer().status == 401
    found = site.read()

    def grown(name: str, **labels: str) -> float:
        return found.total(name, **labels) - before.total(name, **labels)

    assert grown(ANSWERS, profile="corp", operation="simpleenroll", outcome="ok") == 1
    assert grown(ANSWERS, profile="corp", outcome="refused", reason="wrong_password") == 1
    assert grown(ANSWERS, profile="far") == 0
    assert grown("certctl_est_answer_seconds_count", operation="simpleenroll") == 2
    for step in ("authenticate", "read", "authorize", "issue"):
        assert grown("certctl_est_step_seconds_count", step=step) == 1
    assert grown("certctl_issuer_calls_total", issuer="iss-local", outcome="ok") == 1
    assert grown("certctl_store_batch_orders_sum") == 1
    assert grown("certctl_store_commit_seconds_count") >= 2
    assert grown("certctl_tls_handshakes_total", version="TLSv1.3", outcome="ok") == 2


def has(name: str, labels: dict[str, str], value: float, found: Metrics) -> bool:
    return found.total(name, **labels) == value


def test_handshakes_are_counted_by_their_version(site: Site) -> None:
    name, ok = "certctl_tls_handshakes_total", {"outcome": "ok"}
    before = site.read()
    old = tls_context(site.server.ca_file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    port = int(site.server.environment["CERTCTL_TLS12_PORT"])
    with RawClient(site.server, context=old, port=port), RawClient(site.server):
        pass
    # TLS 1.3 ends for the client before it ends for the server; without TLS there is none.
    for version in ("TLSv1.2", "TLSv1.3"):
        labels = ok | {"version": version}
        wanted = before.total(name, **labels) + 1
        until(site.read, partial(has, name, labels, wanted))


def test_a_handshake_that_fails_is_counted(site: Site) -> None:
    before = site.read()
    with socket.create_connection(("127.0.0.1", site.server.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(1)
    name, labels = "certctl_tls_handshakes_total", {"version": "none", "outcome": "failed"}
    until(
        site.read,
        lambda found: found.total(name, **labels) == before.total(name, **labels) + 1,
    )


@pytest.mark.parametrize(
    ("mood", "outcome", "status"),
    [
        ("good", "ok", 200),
        ("echo no >&2; exit 77", "refused", 403),
        ("echo later >&2; exit 75", "unavailable", 503),
        ("exit 1", "silent", 503),
        ("changed \"{'ekus': []}\"", "misbehaved", 500),
    ],
)
def test_calls_of_a_ca_outside_are_counted_by_what_came_of_them(
    site: Site, tmp_path: Path, mood: str, outcome: str, status: int
) -> None:
    name, took = "certctl_issuer_calls_total", "certctl_issuer_call_seconds_count"
    before = site.read()
    site.ca.mood(mood)
    assert site.ask(Device(tmp_path, f"far-{outcome}"), OUTSIDE, "short-pw") == status
    found = site.read()
    labels = {"issuer": "corp", "call": "issue", "outcome": outcome}
    assert found.total(name, **labels) == before.total(name, **labels) + 1
    assert found.total(took, issuer="corp") == before.total(took, issuer="corp") + 1


def test_killed_processes_take_no_count_with_them(site: Site, tmp_path: Path) -> None:
    for number in range(4):
        assert site.ask(Device(tmp_path, f"before-{number}")) == 200
    before = site.read()
    tree = site.server.processes()
    for kind in ("worker", "authority", "jobs"):
        for pid in tree[kind]:
            os.kill(pid, signal.SIGKILL)
    site.server.wait_ready()
    starts = "certctl_process_starts_total"

    def is_back(found: Metrics) -> bool:
        started = found.total(starts) == before.total(starts) + 4
        return started and found.total("certctl_process_up") == 4

    found = until(site.read, is_back)
    assert found.total("certctl_workers") == found.total("certctl_workers_wanted") == 2
    for (name, pairs), value in before.samples.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            assert found.samples[name, pairs] >= value, (name, pairs)
    assert site.ask(Device(tmp_path, "after")) == 200
    labels = {"profile": "corp", "operation": "simpleenroll", "outcome": "ok"}
    assert site.read().total(ANSWERS, **labels) == before.total(ANSWERS, **labels) + 1


def test_a_worker_that_is_missing_is_seen(site: Site) -> None:
    """It is back soon: killed again, until it is seen in between."""
    survivor = site.server.processes()["worker"][0]

    def is_missing(found: Metrics) -> bool:
        missing = found.total("certctl_workers") == 1
        for pid in site.server.processes()["worker"]:
            if pid != survivor and not missing:
                os.kill(pid, signal.SIGKILL)
        return missing

    found = until(site.read, is_missing)
    ups = [found.total("certctl_process_up", process=f"worker-{n}") for n in (1, 2)]
    assert sorted(ups) == [0, 1]
    until(site.read, lambda found: found.total("certctl_workers") == 2)


def test_prometheus_scrapes_both_ports_and_understands_the_board(
    site: Site, tmp_path: Path
) -> None:
    """By the configuration of docs/how-to/monitor.md."""
    program = need("prometheus", package="prometheus")
    key = tmp_path / "scrape.key"
    key.write_text(site.viewer)
    pages = re.findall(r"```yaml\n(.*?)```", MONITOR.read_text(), re.DOTALL)
    scrape = []
    for page, target in zip(pages, (site.port, site.server.port), strict=True):
        (one,) = yaml.safe_load(page)["scrape_configs"]
        one["static_configs"] = [{"targets": [f"localhost:{target}"]}]
        if "authorization" in one:
            one["authorization"]["credentials_file"] = str(key)
            one["tls_config"]["ca_file"] = str(site.server.ca_file)
        scrape.append({**one, "job_name": f"certctl-{target}"})
        scrape[-1]["relabel_configs"] = [{"target_label": "job", "replacement": "certctl"}]
    complete(site)
    site.ca.mood()
    visitors = traffic(site, tmp_path)
    with prometheus(tmp_path / "prometheus", program, scrape, rules=RULES) as running:
        running.wait_scraped(2)
        deadline = time.monotonic() + WAIT_SECONDS
        while silent := silent_panels(running):
            assert time.monotonic() < deadline, silent
            next(visitors)
        groups = running.api("rules")["groups"]
        faults = {
            rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"]
        }
        assert len(faults) > 15
        assert set(faults.values()) <= {None, ""}


def traffic(site: Site, directory: Path) -> Iterator[None]:
    """Some of everything that the board shows, again and again."""
    api, visitor = ApiClient(site.server, site.viewer), Visitor(site.server)
    for number in itertools.count():
        device = Device(directory, f"busy-{number}")
        assert site.ask(device) == 200
        assert site.ask(device, password=f"wrong-password-{number:02d}") == 401
        assert site.ask(Device(directory, f"far-{number}"), OUTSIDE, "short-pw") == 200
        assert api.send("GET", "/certificates").status == 200
        assert api.send("GET", "/keys").status == 403
        assert visitor.get("/login").status == 200
        yield


def silent_panels(running: Prometheus) -> set[str]:
    """Panels of which a query has no number to show now; NaN is none."""
    return {
        title
        for title, expression in board_expressions()
        if not any(sample["value"][1] != "NaN" for sample in running.query(expression))
    }


def board_expressions() -> Iterator[tuple[str, str]]:
    """Every query of the board by its panel's title, as Grafana would send it."""
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert "$" not in text
            yield panel["title"], text


def test_ready_tells_which_part_is_not(site: Site) -> None:
    """The supervisor is held up meanwhile, so that nobody starts the authority again."""

    def ready() -> tuple[int, dict[str, object]]:
        answer = fetch(site.server, "GET", "/ready")
        return answer.status, json.loads(answer.body)

    assert ready() == (200, {"ready": True, "parts": {"authority": True, "store": True}})
    supervisor, (authority,) = site.server.process.pid, site.server.processes()["authority"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(authority, signal.SIGKILL)
        gone = {"ready": False, "parts": {"authority": False, "store": True}}
        until(site.read, lambda found: found.total("certctl_authority_up") == 0)
        answers = [ready() for _ in range(6)]
        assert (503, gone) in answers
        assert fetch(site.server, "GET", "/health").status == 200
    finally:
        os.kill(supervisor, signal.SIGCONT)
    site.server.wait_ready()


def test_the_start_says_what_is_served(site: Site) -> None:
    (enabled,) = site.server.log_events("EST server enabled")[:1]
    assert enabled["profiles"] == 2
    lines = {each["profile"]: each for each in site.server.log_events("EST profile enabled")}
    assert set(lines) == {"corp", "far"}
    corp, far = lines["corp"], lines["far"]
    assert corp["routes"] == ["/.well-known/est/corp", "/.well-known/est-mtls/corp"]
    assert (corp["auth_modes"], corp["issuer"], corp["lint"]) == (
        ["basic", "mtls"],
        "iss-local",
        [],
    )
    assert (far["routes"], far["auth_modes"]) == (["/.well-known/est/far"], ["basic"])
    assert far["issuer"] == "corp"
    finding = "a password of fewer than 12 characters; use a longer one, such as openssl rand"
    assert far["lint"] == [f"{finding} -base64 24 makes"]
    (listener,) = site.server.log_events("metrics listener enabled")[:1]
    assert (listener["address"], listener["port"]) == ("127.0.0.1", site.port)
