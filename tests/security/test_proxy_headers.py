"""``Client-Cert``, ``X-SSL-Client-Cert``, ``Forwarded``, ``X-Forwarded-For``: from anyone but a
trusted proxy, malformed from a trusted one, with and without the proxy's own certificate,
and past real proxies that run with the configuration of docs/how-to/behind-a-proxy.md.
"""

from __future__ import annotations

import base64
import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, AuditEvent, Counter
from certctl.wire.attributes import CHALLENGE_PASSWORD
from certctl.wire.proxy_headers import encode_client_cert
from tests.clients.tools import need
from tests.harness.bound_client import as_text, csr
from tests.harness.device import Device
from tests.harness.http import basic, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.proxies import Kind, ProxyIdentity, behind
from tests.harness.raw import Answer, RawClient, crowd, ended, head, new_source, open_tcp, post
from tests.harness.records import Ledger, Refused, revoke
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL, REENROLL, assert_refused, edge_lines

MTLS_ENROLL = ENROLL.replace("/est/", "/est-mtls/")
PASSWORD = "demo-secret-0001"
PROXY_ADDRESS = "127.200.0.5"
PROXY_NETWORK = "127.200.0.0/24"
NAMED = "192.0.2.99"
WAIT_SECONDS = 15.0

MISSING = Refused(
    action=AuditAction.AUTH_FAILED_MTLS, reason="missing", counter=Counter.AUTH_FAILED_MTLS
)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate: x509.Certificate | None) -> bytes:
    assert certificate is not None
    return certificate.public_bytes(Encoding.DER)


def as_rfc(certificate: x509.Certificate | None) -> str:
    return f"Client-Cert: {encode_client_cert(der(certificate)).decode()}"


def as_nginx(certificate: x509.Certificate | None) -> str:
    assert certificate is not None
    return f"X-SSL-Client-Cert: {quote(pem(certificate), safe='')}"


class World:
    """A server with trusted proxies, and people before and behind them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.factory = ForeignCA("factory")
        self.stranger = ForeignCA("stranger")
        self.identity = ProxyIdentity.make(directory / "identity")
        # A proxy whose certificate would open the profile, were it a device's.
        self.tempting = self.factory.equip(Device(directory, "tempting-proxy"))
        assert self.tempting.certificate is not None
        fingerprint = self.tempting.certificate.fingerprint(hashes.SHA256()).hex()
        self.server = configured_server(
            directory,
            {
                "TRUSTED_PROXIES": f"{PROXY_NETWORK},{self.identity.setting},cert:{fingerprint}",
                "EST_PROFILES": "demo",
                "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
                "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "mtls,basic",
                "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
                "EST_PROFILE_DEMO_MTLS_ENABLED": "true",
                "EST_PROFILE_DEMO_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(
                    self.factory.bundle(directory / "factory.pem")
                ),
            },
        )
        self._numbers = itertools.count()

    def device(self, kind: str = "factory") -> Device:
        """A fresh device; its certificate is good, or in the way its kind says not."""
        device = Device(self.directory, f"{kind}-{next(self._numbers)}".replace("_", "-"))
        match kind:
            case "factory":
                self.factory.equip(device)
            case "untrusted":
                self.stranger.equip(device)
            case "expired":
                self.factory.equip(device, days=(-30, -1))
            case "not_yet_valid":
                self.factory.equip(device, days=(2, 30))
            case "own" | "revoked":
                assert device.enroll(self.server, ENROLL, password=PASSWORD).status == 200
        if kind == "revoked":
            revoke(self.server, device.certificate)
        return device

    def shows(self, device: Device, server: RunningServer | None = None) -> ssl.SSLContext:
        """The TLS of a peer that shows this device's certificate."""
        ca_file = (server or self.server).ca_file
        return tls_context(ca_file, certificate=device.certificate_file, key=device.key_file)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("openssl", package="openssl")
    made = World(tmp_path_factory.mktemp("proxies"))
    with made.server:
        yield made


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(world.server)


@pytest.fixture(scope="module", params=Kind)
def front(request: pytest.FixtureRequest, world: World) -> Iterator[RunningServer]:
    """The server behind a real proxy that shows its certificate."""
    need(request.param, package=request.param)
    place = world.directory / f"front-{request.param}"
    with behind(request.param, world.server, world.identity, place) as server:
        yield server


def ask(
    server: RunningServer,
    path: str,
    device: Device,
    *lines: str,
    source: str,
    context: ssl.SSLContext | None = None,
    body: bytes | None = None,
) -> Answer:
    with RawClient(server, source=source, context=context) as client:
        client.send(post(path, body or device.body(), *lines))
        return client.answer()


def only(events: tuple[AuditEvent, ...]) -> AuditEvent:
    (event,) = events
    return event


def noted(world: World, source: str) -> list[object]:
    """Headers that the log says were ignored from this source, once it says so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        lines = world.server.log_events("proxy_headers_ignored")
        found = [line["headers"] for line in lines if line["source"] == source]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def spoofs(victim: Device) -> list[str]:
    """Everything a client could say about itself."""
    return [
        as_rfc(victim.certificate),
        f"Client-Cert-Chain: {encode_client_cert(der(victim.certificate)).decode()}",
        as_nginx(victim.certificate),
        f"X-Forwarded-For: {NAMED}",
        f"Forwarded: for={NAMED}",
    ]


HEADERS = ["client-cert", "client-cert-chain", "forwarded", "x-forwarded-for", "x-ssl-client-cert"]


# From anybody else.


@pytest.mark.parametrize("place", range(len(HEADERS)))
def test_a_strangers_header_authenticates_nobody(world, ledger, place):
    victim, source = world.device(), new_source()
    spoof = spoofs(victim)[place]
    answer = ask(world.server, MTLS_ENROLL, victim, spoof, source=source)
    assert_refused(answer, 401, "No client certificate was shown")
    event = only(ledger.expect(MISSING).events)
    assert (event.source_address, event.client_certificate_subject) == (source, "")
    assert "via" not in event.details
    assert noted(world, source) == [[spoof.partition(":")[0].lower()]]


def test_a_strangers_header_does_not_replace_its_certificate(world, ledger):
    victim, attacker, source = world.device(), world.device("untrusted"), new_source()
    answer = ask(
        world.server, MTLS_ENROLL, victim, *spoofs(victim),
        source=source, context=world.shows(attacker),
    )  # fmt: skip
    assert_refused(answer, 401, "untrusted")
    untrusted = Refused(
        action=AuditAction.AUTH_FAILED_MTLS, reason="untrusted", counter=Counter.AUTH_FAILED_MTLS
    )
    event = only(ledger.expect(untrusted).events)
    assert event.client_certificate_subject == f"CN={attacker.common_name}"
    assert event.source_address == source
    assert noted(world, source) == [HEADERS]


def test_a_strangers_word_does_not_move_its_failures_to_another(world, ledger):
    source = new_source()
    wrong = "Authorization: " + basic("guesser", "wrong-password-000")["Authorization"]
    answer = ask(
        world.server, ENROLL, world.device(), wrong, f"X-Forwarded-For: {NAMED}",
        f"Forwarded: for={NAMED}", source=source,
    )  # fmt: skip
    assert_refused(answer, 401)
    refusal = Refused(
        action=AuditAction.AUTH_FAILED_BASIC,
        reason="wrong_password",
        counter=Counter.AUTH_FAILED_BASIC,
    )
    assert only(ledger.expect(refusal).events).source_address == source


def test_a_strangers_malformed_header_is_not_even_read(world, ledger):
    device, source = world.device(), new_source()
    answer = ask(
        world.server, MTLS_ENROLL, device, "Client-Cert: nonsense", "Client-Cert: twice",
        "X-Forwarded-For: nonsense", source=source, context=world.shows(device),
    )  # fmt: skip
    assert answer.status == 200, answer.text
    event = only(ledger.expect(issued=1).events)
    assert (event.source_address, "via" in event.details) == (source, False)


# From a trusted proxy: malformed.

GOOD = "MAMCAQU="
MALFORMED = {
    "not_a_byte_sequence": (["Client-Cert: nonsense"], "client-cert"),
    "not_a_certificate": (["Client-Cert: ::"], "client-cert"),
    "not_url_encoded": (["X-SSL-Client-Cert: -----BEGIN CERTIFICATE-----"], "x-ssl-client-cert"),
    "not_one_pem_certificate": (["X-SSL-Client-Cert: (null)"], "x-ssl-client-cert"),
    "chain_without_certificate": ([f"Client-Cert-Chain: :{GOOD}:"], "client-cert-chain"),
    "too_long": (
        [f"Client-Cert: :{GOOD}:", "Client-Cert-Chain: " + ",".join([f":{GOOD}:"] * 9)],
        "client-cert-chain",
    ),
    "doubled": ([f"Client-Cert: :{GOOD}:", f"Client-Cert: :{GOOD}:"], "client-cert"),
    "not_an_address": (["X-Forwarded-For: nonsense"], "x-forwarded-for"),
    "not_rfc_7239": (["Forwarded: nonsense"], "forwarded"),
    "contradicts_another_header": (
        [f"Forwarded: for={NAMED}", "X-Forwarded-For: 192.0.2.98"],
        "forwarded",
    ),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_unusable_word_of_a_trusted_proxy_is_refused(world, ledger, fault):
    lines, header = MALFORMED[fault]
    right = "Authorization: " + basic("device", PASSWORD)["Authorization"]
    answer = ask(world.server, ENROLL, world.device(), right, *lines, source=PROXY_ADDRESS)
    assert_refused(answer, 400, f"The proxy's {header} header cannot be used: {fault}")
    refusal = Refused(
        action=AuditAction.SIMPLE_ENROLL_FAILED, reason="proxy_header", counter=Counter.CSR_INVALID
    )
    event = only(ledger.expect(refusal).events)
    assert (event.source_address, event.details["via"]) == (PROXY_ADDRESS, PROXY_ADDRESS)
    assert (event.details["header"], event.details["fault"]) == (header, fault)


def test_two_certificates_of_one_client_are_refused(world, ledger):
    one, other = world.device(), world.device()
    answer = ask(
        world.server, MTLS_ENROLL, one, as_rfc(one.certificate), as_nginx(other.certificate),
        f"X-Forwarded-For: {NAMED}", source=PROXY_ADDRESS,
    )  # fmt: skip
    assert_refused(answer, 400, "x-ssl-client-cert", "contradicts")
    refusal = Refused(
        action=AuditAction.SIMPLE_ENROLL_FAILED, reason="proxy_header", counter=Counter.CSR_INVALID
    )
    assert only(ledger.expect(refusal).events).source_address == NAMED


# From a trusted proxy: its certificate, and the device's.


@pytest.mark.parametrize("source", [PROXY_ADDRESS, None])
def test_the_proxys_own_certificate_is_never_a_devices(world, ledger, source):
    answer = ask(
        world.server, MTLS_ENROLL, world.tempting,
        source=source or new_source(), context=world.shows(world.tempting),
    )  # fmt: skip
    assert_refused(answer, 401, "No client certificate was shown")
    event = only(ledger.expect(MISSING).events)
    assert event.client_certificate_subject == ""
    assert str(event.details["via"]).startswith("127.")


@pytest.mark.parametrize("form", [as_rfc, as_nginx])
@pytest.mark.parametrize("kind", ["untrusted", "expired", "not_yet_valid", "revoked"])
def test_a_forwarded_certificate_is_judged_like_one_shown(world, kind, form):
    device = world.device(kind)
    ledger = Ledger(world.server)
    path = REENROLL if kind == "revoked" else MTLS_ENROLL
    lines = [form(device.certificate), f"X-Forwarded-For: {NAMED}"]
    answer = ask(world.server, path, device, *lines, source=PROXY_ADDRESS)
    assert_refused(answer, 401, kind.replace("_", " "))
    refusal = Refused(
        action=AuditAction.AUTH_FAILED_MTLS, reason=kind, counter=Counter.AUTH_FAILED_MTLS
    )
    event = only(ledger.expect(refusal).events)
    assert event.client_certificate_subject == f"CN={device.common_name}"
    assert (event.source_address, event.details["via"]) == (NAMED, PROXY_ADDRESS)


@pytest.mark.parametrize("form", [as_rfc, as_nginx])
def test_a_good_forwarded_certificate_is_the_device(world, ledger, form):
    """The refusals above are not refusals of everything."""
    device, source = world.device(), new_source()
    answer = ask(
        world.server, MTLS_ENROLL, device, form(device.certificate),
        f"X-Forwarded-For: 192.0.2.1, {NAMED}, {PROXY_ADDRESS}",
        source=source, context=world.shows(world.tempting),
    )  # fmt: skip
    assert answer.status == 200, answer.text
    event = only(ledger.expect(issued=1).events)
    assert event.actor == f"est-client:CN={device.common_name}"
    assert event.source_address == NAMED
    assert str(event.details["via"]).startswith(f"{source} cert:")


@pytest.mark.parametrize("octets", [12, 32])
def test_a_binding_does_not_hold_through_a_proxy(world, ledger, octets):
    value = base64.b64encode(bytes(octets)).decode()
    body = base64.b64encode(csr("bound", as_text(CHALLENGE_PASSWORD, value)))
    right = "Authorization: " + basic("bound", PASSWORD)["Authorization"]
    answer = ask(
        world.server, ENROLL, world.device(), right, f"X-Forwarded-For: {NAMED}",
        source=PROXY_ADDRESS, body=body,
    )  # fmt: skip
    assert_refused(answer, 426, "connect directly")
    refusal = Refused(
        action=AuditAction.AUTH_FAILED_CHANNEL_BINDING,
        reason="no_exporter",
        counter=Counter.AUTH_FAILED_CHANNEL_BINDING,
    )
    event = only(ledger.expect(refusal).events)
    assert (event.source_address, event.details["via"]) == (NAMED, PROXY_ADDRESS)


# Past real proxies, with the configuration of the page.


@pytest.mark.parametrize("kind", ["none", "untrusted", "expired"])
def test_a_real_proxy_replaces_what_clients_say(world, ledger, front, kind):
    victim, source = world.device(), new_source()
    attacker = world.device(kind) if kind != "none" else None
    answer = ask(
        front, MTLS_ENROLL, victim, *spoofs(victim),
        source=source, context=world.shows(attacker) if attacker else None,
    )  # fmt: skip
    assert_refused(answer, 401)
    refusal = Refused(
        action=AuditAction.AUTH_FAILED_MTLS,
        reason="missing" if kind == "none" else kind,
        counter=Counter.AUTH_FAILED_MTLS,
    )
    event = only(ledger.expect(refusal).events)
    assert event.source_address == source
    shown = f"CN={attacker.common_name}" if attacker else ""
    assert event.client_certificate_subject == shown
    assert str(event.details["via"]).endswith(world.identity.setting)


def test_a_binding_through_a_real_proxy_is_426(world, ledger, front):
    value = base64.b64encode(bytes(range(32))).decode()
    body = base64.b64encode(csr("bound", as_text(CHALLENGE_PASSWORD, value)))
    right = "Authorization: " + basic("bound", PASSWORD)["Authorization"]
    answer = ask(front, ENROLL, world.device(), right, source=new_source(), body=body)
    assert_refused(answer, 426, "connect directly")
    refusal = Refused(
        action=AuditAction.AUTH_FAILED_CHANNEL_BINDING,
        reason="no_exporter",
        counter=Counter.AUTH_FAILED_CHANNEL_BINDING,
    )
    ledger.expect(refusal)


NO_CERTIFICATE = {
    Kind.NGINX: {
        "proxy_ssl_certificate /etc/est-proxy/proxy-client.pem;": "",
        "proxy_ssl_certificate_key /etc/est-proxy/proxy-client.key;": "",
    },
    Kind.HAPROXY: {" crt /etc/est-proxy/proxy-client.pem": ""},
}


@pytest.mark.parametrize("kind", Kind)
def test_a_proxy_without_its_certificate_is_nobody(world, ledger, kind):
    need(kind, package=kind)
    device = world.device()
    place = world.directory / f"nobody-{kind}"
    with behind(kind, world.server, world.identity, place, changes=NO_CERTIFICATE[kind]) as nobody:
        answer = ask(nobody, MTLS_ENROLL, device, source=new_source(), context=world.shows(device))
    assert_refused(answer, 401, "No client certificate was shown")
    event = only(ledger.expect(MISSING).events)
    assert (event.source_address, "via" in event.details) == ("127.0.0.1", False)
    assert noted(world, "127.0.0.1")


# Connections.


def test_a_proxys_address_is_capped_in_all_and_not_per_source(tmp_path):
    limits = {
        "MAX_CONNECTIONS_PER_SOURCE": "2",
        "MAX_CONNECTIONS": "8",
        "WORKERS": "1",
        "EST_ISSUER_ID": "iss-local",
        "TRUSTED_PROXIES": PROXY_NETWORK,
    }
    held: list[socket.socket] = []
    with configured_server(tmp_path, limits) as server, crowd(held):
        held += [open_tcp(server, source=PROXY_ADDRESS) for _ in range(3)]
        with RawClient(server, source=PROXY_ADDRESS) as one_more:
            one_more.send(head("GET", "/health"))
            assert one_more.answer().status == 200
            source = new_source()
            held += [open_tcp(server, source=source) for _ in range(2)]
            with open_tcp(server, source=source) as third:
                assert ended(third)
            held += [open_tcp(server, source=PROXY_ADDRESS) for _ in range(2)]
            with open_tcp(server, source=PROXY_ADDRESS) as ninth:
                assert ended(ninth)
        assert [each["kind"] for each in edge_lines(server, source)] == ["refused_source"]
        assert [each["kind"] for each in edge_lines(server, PROXY_ADDRESS)] == ["refused_total"]
