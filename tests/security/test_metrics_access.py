"""Who sees metrics, what of peers gets into them, and that neither port harms the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.metrics import PATH, Metrics, ask_port, from_main_port, from_port, until
from tests.harness.raw import RawClient, open_tcp
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
CONNECTIONS = 8


class Site(NamedTuple):
    server: RunningServer
    port: int
    viewer: str

    def read(self) -> Metrics:
        return from_port(self.port)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    server = configured_server(
        tmp_path_factory.mktemp("metrics-access"),
        {
            "WORKERS": "1",
            "METRICS_PORT": str(port),
            "MAX_CONNECTIONS": str(CONNECTIONS),
            "EST_PROFILES": "corp",
            "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
            "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
            "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
        },
    )
    with server:
        yield Site(server, port, first_key(server, "scrape", Role.VIEWER))


def test_what_peers_send_becomes_no_label(site: Site, tmp_path: Path) -> None:
    for number in range(3):
        marked = f"peer-chosen-{number}"
        device = Device(tmp_path, marked)
        # It is the user name as well.
        assert device.enroll(site.server, ENROLL, password=PASSWORD).status == 200
        path = f"/.well-known/est/{marked}/simpleenroll"
        assert device.enroll(site.server, path, password=PASSWORD).status == 404
        with RawClient(site.server) as client:
            client.send(f"PEER /{marked} HTTP/1.1\r\nHost: {marked}\r\n\r\n".encode())
            assert client.answer().status >= 400
    found = site.read()
    assert "peer-chosen" not in found.text
    assert PASSWORD not in found.text
    assert site.viewer not in found.text


def test_the_main_port_shows_it_to_viewers_and_to_nobody_else(site: Site) -> None:
    assert from_main_port(site.server, site.viewer).families == site.read().families
    client = ApiClient(site.server)
    without = client.send("GET", PATH, prefix="")
    assert (without.status, without.headers["Www-Authenticate"]) == (401, 'Bearer realm="certctl"')
    admin = client.with_key(first_key(site.server, "maker"))
    held = admin.make_key("held", Role.VIEWER, profiles=["corp"])
    tenant = admin.make_key("tenant", Role.VIEWER, tenant="acme")
    for key, status in ((site.viewer + "x", 401), (held, 403), (tenant, 403)):
        answer = client.with_key(key).send("GET", PATH, prefix="")
        assert (answer.status, b"certctl_" in answer.body) == (status, False)
    posted = client.with_key(site.viewer).send("POST", PATH, {}, prefix="")
    assert (posted.status, posted.headers["Allow"]) == (405, "GET, HEAD")
    head = client.with_key(site.viewer).send("HEAD", PATH, prefix="")
    assert (head.status, head.body) == (200, b"")
    refused = [
        each.event
        for each in all_events(site.server)
        if each.event.action is AuditAction.API_REFUSED and each.event.resource_id == "GET /metrics"
    ]
    assert {str(each.details["reason"]) for each in refused} >= {"unknown", "scope"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/api/v1/version", 404),
        ("GET", "/.well-known/est/corp/cacerts", 404),
        ("GET", "/ready", 404),
        ("POST", "/metrics", 405),
    ],
)
def test_the_port_for_metrics_has_nothing_else(
    site: Site, method: str, path: str, status: int
) -> None:
    assert ask_port(site.port, method, path).status == status


def test_a_port_for_metrics_that_is_taken_refuses_the_start(site: Site, tmp_path: Path) -> None:
    """Not shared with whoever listens there, who would be scraped in our place."""
    settings = {"METRICS_PORT": str(site.port), "EST_ENABLED": "false"}
    second = configured_server(tmp_path, settings)
    second.launch()
    assert second.process.wait(20) == 2
    assert f"127.0.0.1 port {site.port}: " in second.log()
    assert "CERTCTL_METRICS_ADDRESS and CERTCTL_METRICS_PORT" in second.log()


def test_a_full_server_still_says_that_it_is_full(site: Site, tmp_path: Path) -> None:
    kind = {"kind": "refused_total"}
    before = site.read().total("certctl_edge_refused_total", **kind)
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(RawClient(site.server))
        with pytest.raises(OSError), RawClient(site.server):
            pass
        found = site.read()
        assert found.total("certctl_edge_refused_total", **kind) == before + 1
    device = Device(tmp_path, "after-the-crowd")
    until(site.read, lambda found: found.total("certctl_connections") <= 1)
    assert device.enroll(site.server, ENROLL, password=PASSWORD).status == 200


def test_a_crowd_on_the_port_for_metrics_takes_no_place_of_devices(
    site: Site, tmp_path: Path
) -> None:
    with ExitStack() as held:
        for _ in range(3 * CONNECTIONS):
            held.enter_context(open_tcp(site.server, port=site.port))
        for number in range(3):
            device = Device(tmp_path, f"beside-{number}")
            assert device.enroll(site.server, ENROLL, password=PASSWORD).status == 200
    # Their connections have ended, so there is room again.
    with open_tcp(site.server, port=site.port) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789")
        assert plain.recv(100).startswith(b"HTTP/1.1 413 ")
