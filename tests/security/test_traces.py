"""Traces: who may say which one a request belongs to, and what never gets into them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.wire.attributes import CHALLENGE_PASSWORD
from tests.clients.tools import need
from tests.harness.api import ApiClient, first_key
from tests.harness.bound_client import as_text, csr
from tests.harness.collector import Collector, Span, collector
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.proxies import Kind, ProxyIdentity, behind
from tests.harness.raw import RawClient, new_source, post
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL

PROXY = "127.200.0.5"
PASSWORD = "planted-enrollment-password-41c7"
WRONG = "planted-mistyped-password-d2b8"
CHALLENGE = "planted-challenge-password-9e13"
NAME = "planted-common-name-77fa"
AGENT = "planted-user-agent-05bd"
STATE = "planted=trace-state-c3d1"
HEADER = "planted-collector-token-6a20"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
CUT = {
    Kind.NGINX: 'proxy_set_header traceparent "";',
    Kind.HAPROXY: "http-request del-header traceparent",
}
ROOT = "POST /.well-known/est/{profile}/simpleenroll"


class Site(NamedTuple):
    server: RunningServer
    sink: Collector
    directory: Path

    def enroll(self, *lines: str, source: str | None = None, password: str = PASSWORD) -> str:
        """An enrollment with these header lines; gives its request id."""
        device = Device(self.directory, NAME)
        sent = [f"Authorization: {basic('device', password)['Authorization']}", *lines]
        with RawClient(self.server, source=source or new_source()) as client:
            client.send(post(ENROLL, device.csr().public_bytes(Encoding.DER), *sent))
            answer = client.answer()
        assert answer.status == (200 if password == PASSWORD else 401), answer.text
        return answer.headers.get("x-request-id", "")

    def root_after(self, known: set[str]) -> Span:
        """The first span of an enrollment that was not there before."""

        def fresh(spans: list[Span]) -> list[Span]:
            return [each for each in spans if each.name == ROOT and each.id not in known]

        return fresh(self.sink.wait(lambda spans: bool(fresh(spans))))[0]

    def known(self) -> set[str]:
        return {each.id for each in self.sink.spans()}


def site_in(
    directory: Path, sink: Collector, *, trusted: str = f"{PROXY}/32", **more: str
) -> RunningServer:
    server = configured_server(
        directory,
        {
            "TRUSTED_PROXIES": trusted,
            "EST_PROFILES": "demo",
            "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
            "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
            "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
            "LOG_LEVEL": "debug",
            **more,
        },
    )
    server.environment |= sink.environment()
    server.environment["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{HEADER}"
    return server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("traces")
    with collector() as sink, site_in(directory, sink) as server:
        yield Site(server, sink, directory)


def test_a_trace_named_by_a_stranger_is_not_believed(site: Site) -> None:
    known = site.known()
    site.enroll(f"traceparent: {GOOD}", f"tracestate: {STATE}", f"baggage: {STATE}")
    root = site.root_after(known)
    assert root.parent == ""
    assert root.trace != TRACE


def test_a_stranger_cannot_keep_a_request_out_of_the_traces(site: Site) -> None:
    known = site.known()
    site.enroll(f"traceparent: 00-{TRACE}-{SPAN}-00")
    assert site.root_after(known).trace != TRACE


def test_a_trusted_proxy_is_believed(site: Site) -> None:
    known = site.known()
    site.enroll(f"traceparent: {GOOD}", f"tracestate: {STATE}", source=PROXY)
    root = site.root_after(known)
    assert (root.trace, root.parent) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "lines",
    [
        ("traceparent: " + GOOD.upper(),),
        ("traceparent: 00-" + "0" * 32 + f"-{SPAN}-01",),
        (f"traceparent: ff-{TRACE}-{SPAN}-01",),
        (f"traceparent: {GOOD}-more",),
        (f"traceparent: 01-{TRACE}-{SPAN}-01-" + "x" * 4_000,),
        ("traceparent: ",),
        (f"traceparent: {GOOD}", f"traceparent: {GOOD}"),
    ],
    ids=["upper", "zeros", "version", "longer", "endless", "empty", "doubled"],
)
def test_what_is_malformed_is_not_believed_of_a_proxy_either(
    site: Site, lines: tuple[str, ...]
) -> None:
    known = site.known()
    site.enroll(*lines, source=PROXY)
    root = site.root_after(known)
    assert root.parent == ""
    assert root.trace != TRACE


def test_real_proxies_of_the_docs_do_not_hand_a_devices_word_through(tmp_path: Path) -> None:
    identity = ProxyIdentity.make(tmp_path / "identity")
    with collector() as sink, site_in(tmp_path, sink, trusted=identity.setting) as server:
        for kind in Kind:
            need(kind, package=kind)
            known = {each.id for each in sink.spans()}
            with behind(kind, server, identity, tmp_path / kind) as front:
                site = Site(front, sink, tmp_path)
                site.enroll(f"traceparent: {GOOD}")
                root = site.root_after(known)
                assert (root.parent, root.trace == TRACE) == ("", False), kind
            known = {each.id for each in sink.spans()}
            kept = {CUT[kind]: "# what the page says is left out here"}
            with behind(kind, server, identity, tmp_path / f"{kind}-lends", changes=kept) as front:
                # It is that line that keeps it out: without it the proxy is believed.
                Site(front, sink, tmp_path).enroll(f"traceparent: {GOOD}")
                assert Site(front, sink, tmp_path).root_after(known).trace == TRACE, kind


def test_everybody_or_nobody_may_be_believed_by_setting(tmp_path: Path) -> None:
    for believed, source, is_believed in (("everybody", None, True), ("nobody", PROXY, False)):
        directory = tmp_path / believed
        directory.mkdir()
        with collector() as sink, site_in(directory, sink, TRACES_PARENT=believed) as server:
            site = Site(server, sink, directory)
            site.enroll(f"traceparent: {GOOD}", source=source)
            assert (site.root_after(set()).trace == TRACE) is is_believed


def test_nothing_that_clients_send_and_no_secret_is_in_a_span_or_the_log(site: Site) -> None:
    agent = f"User-Agent: {AGENT}"
    known = site.known()
    site.enroll(agent, f"tracestate: {STATE}", f"baggage: {STATE}")
    number = site.enroll(agent, password=WRONG)
    site.root_after(known)
    key = first_key(site.server)
    api = ApiClient(site.server, key)
    answer = api.send("GET", f"/certificates?q={NAME}")
    bound = base64.encodebytes(csr(NAME, as_text(CHALLENGE_PASSWORD, CHALLENGE)))
    device = Device(site.directory, NAME)
    assert device.enroll(site.server, ENROLL, password=PASSWORD, body=bound).status == 200
    assert device.certificate is not None
    serial = f"{device.certificate.serial_number:x}"
    assert site.sink.trace_of(**{"certctl.serial": serial})
    for each in (number, answer.headers["X-Request-Id"]):
        assert site.sink.trace_of(**{"certctl.request_id": each})
    raw = site.sink.raw
    for planted in (PASSWORD, WRONG, CHALLENGE, NAME, AGENT, STATE, key, HEADER):
        assert planted.encode() not in raw, planted
    log = site.server.log()
    for planted in (PASSWORD, WRONG, CHALLENGE, STATE, key, HEADER):
        assert planted not in log, planted
    sent = {post.headers.get("authorization") for post in site.sink.receiver.posts}
    assert sent == {f"Bearer {HEADER}"}
