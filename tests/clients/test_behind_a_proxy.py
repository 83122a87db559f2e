"""TLS 1.2 in, TLS 1.3 to us: curl through nginx and haproxy as the how-to page sets them up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction, AuditEvent, Counter
from certctl.domain.certificates import CertificateRecord
from tests.clients.tools import Ran, need, run
from tests.harness.device import Device, certificates_of
from tests.harness.pki import ForeignCA
from tests.harness.proxies import Kind, ProxyIdentity, behind
from tests.harness.raw import new_source
from tests.harness.records import Ledger, Refused
from tests.harness.server import RunningServer, configured_server

pytestmark = pytest.mark.clients

PASSWORD = "demo-secret-0001"
PROXY_ADDRESS = "127.200.0.5"
FIRST = "simpleenroll"
AGAIN = "simplereenroll"


class World:
    """A server that trusts a proxy by its certificate, and another by its address."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.factory = ForeignCA("factory")
        self.stranger = ForeignCA("stranger")
        self.identity = ProxyIdentity.make(directory / "identity")
        self.server = configured_server(
            directory,
            {
                "TRUSTED_PROXIES": f"{self.identity.setting},{PROXY_ADDRESS}",
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

    def device(self) -> Device:
        return Device(self.directory, f"device-{next(self._numbers)}")

    def newest(self) -> CertificateRecord:
        records = self.server.records()
        found: list[CertificateRecord] = []
        while page := records.certificates(after=found[-1].id if found else None):
            found += page
        records.close()
        return max(found, key=lambda record: record.issued_us)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("curl", package="curl")
    need("openssl", package="openssl")
    made = World(tmp_path_factory.mktemp("behind"))
    with made.server:
        yield made


@pytest.fixture(scope="module", params=Kind)
def front(request: pytest.FixtureRequest, world: World) -> Iterator[RunningServer]:
    need(request.param, package=request.param)
    place = world.directory / f"front-{request.param}"
    with behind(request.param, world.server, world.identity, place) as server:
        yield server


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(world.server)


class Curl:
    """An old device: TLS 1.2 at most, from an address of its own."""

    def __init__(self, front: RunningServer, directory: Path) -> None:
        self.front = front
        self.directory = directory
        self.source = new_source()

    def post(self, operation: str, device: Device, *more: str | Path) -> tuple[int, Ran]:
        """Status and what was printed; the answer's body is in ``answer``."""
        request = self.directory / "request.b64"
        request.write_bytes(device.body())
        return self._run(
            operation, "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{request}",
            *more,
        )  # fmt: skip

    def get(self, operation: str, *more: str | Path) -> tuple[int, Ran]:
        return self._run(operation, *more)

    @property
    def answer(self) -> bytes:
        return (self.directory / "answer").read_bytes()

    def _run(self, operation: str, *more: str | Path) -> tuple[int, Ran]:
        command: list[str | Path] = ["curl", "-sSv", "--tls-max", "1.2"]
        command += ["--interface", self.source, "--cacert", self.front.ca_file]
        command += ["-o", self.directory / "answer", "-w", "%{http_code}", *more]
        ran = run(
            [*command, f"{self.front.url}/.well-known/{_route(operation)}"],
            directory=self.directory,
        )
        assert ran.code == 0, ran.said
        assert "SSL connection using TLSv1.2" in ran.said
        return int(ran.output), ran


def _route(operation: str) -> str:
    return operation if "/" in operation else f"est/demo/{operation}"


def shown(device: Device) -> tuple[str | Path, ...]:
    return ("--cert", device.certificate_file, "--key", device.key_file)


@pytest.fixture
def curl(front: RunningServer, tmp_path: Path) -> Curl:
    return Curl(front, tmp_path)


def only(events: tuple[AuditEvent, ...]) -> AuditEvent:
    (event,) = events
    return event


def test_a_devices_certificate_enrolls_and_renews(world, ledger, curl):
    device = world.factory.equip(world.device())
    status, ran = curl.post(FIRST, device, *shown(device))
    assert status == 200, ran.said
    event = only(ledger.expect(issued=1).events)
    assert event.actor == f"est-client:CN={device.common_name}"
    assert event.client_certificate_subject == f"CN={device.common_name}"
    assert event.source_address == curl.source
    assert event.details["via"] == f"127.0.0.1 {world.identity.setting}"
    assert event.tls_version == "TLSv1.3"
    record = world.newest()
    assert (record.principal, record.auth_mode) == (f"CN={device.common_name}", "mtls")
    assert record.source_address == curl.source

    (device.certificate,) = certificates_of(curl.answer)
    ledger = Ledger(world.server)
    fresh = Device(curl.directory, device.common_name)
    status, ran = curl.post(AGAIN, fresh, *shown(device))
    assert status == 200, ran.said
    event = only(ledger.expect(issued=1).events)
    assert event.client_certificate_subject == f"CN={device.common_name}"
    (renewed,) = certificates_of(curl.answer)
    assert renewed.public_key() == fresh.key.public_key()
    assert world.newest().renews is not None


@pytest.mark.parametrize("reason", ["untrusted", "expired", "not_yet_valid"])
@pytest.mark.parametrize("operation", [FIRST, AGAIN])
def test_a_bad_certificate_is_refused_by_the_server_and_not_by_the_proxy(
    world, ledger, curl, operation, reason
):
    device = world.device()
    days = {"untrusted": (-1, 365), "expired": (-30, -1), "not_yet_valid": (2, 30)}[reason]
    ca = world.stranger if reason == "untrusted" else world.factory
    ca.equip(device, days=days)
    status, ran = curl.post(operation, device, *shown(device))
    assert status == 401, ran.said
    assert reason.replace("_", " ") in curl.answer.decode()
    event = only(
        ledger.expect(
            Refused(
                action=AuditAction.AUTH_FAILED_MTLS,
                reason=reason,
                counter=Counter.AUTH_FAILED_MTLS,
            )
        ).events
    )
    assert event.client_certificate_subject == f"CN={device.common_name}"
    assert event.source_address == curl.source


@pytest.mark.parametrize("kind", ["none", "untrusted", "expired"])
def test_a_password_opens_with_whatever_certificate(world, ledger, curl, kind):
    device = world.device()
    certificate: tuple[str | Path, ...] = ()
    if kind == "untrusted":
        certificate = shown(world.stranger.equip(device))
    elif kind == "expired":
        certificate = shown(world.factory.equip(device, days=(-30, -1)))
    status, ran = curl.post(FIRST, device, *certificate, "-u", f"old-device:{PASSWORD}")
    assert status == 200, ran.said
    event = only(ledger.expect(issued=1).events)
    assert (event.actor, event.auth_mode) == ("est-client:old-device", "basic")
    assert event.source_address == curl.source


def test_without_a_certificate_the_challenge_comes_through(world, ledger, curl):
    status, ran = curl.post(FIRST, world.device())
    assert status == 401, ran.said
    assert 'basic realm="est-enrollment"' in ran.said.lower()
    ledger.expect_nothing()


def test_cacerts_on_both_routes(world, curl):
    status, ran = curl.get("cacerts")
    assert status == 200, ran.said
    (found,) = certificates_of(curl.answer)
    assert found.subject.rfc4514_string()
    status, ran = curl.get("est-mtls/demo/cacerts")
    assert status == 401, ran.said
    status, ran = curl.get("est-mtls/demo/cacerts", *shown(world.factory.equip(world.device())))
    assert status == 200, ran.said


@pytest.mark.parametrize("path", ["../health", "est/../../ready", "est/..%2f..%2fhealth"])
def test_the_proxy_serves_est_and_nothing_else(world, curl, path):
    expired = world.factory.equip(world.device(), days=(-30, -1))
    for certificate in ((), shown(expired)):
        status, ran = curl.get(path, "--path-as-is", *certificate)
        assert status == 404, ran.said


FROM_AN_ADDRESS = {
    Kind.NGINX: {
        "proxy_ssl_certificate /etc/est-proxy/proxy-client.pem;": f"proxy_bind {PROXY_ADDRESS};",
        "proxy_ssl_certificate_key /etc/est-proxy/proxy-client.key;": "",
    },
    Kind.HAPROXY: {" crt /etc/est-proxy/proxy-client.pem": f" source {PROXY_ADDRESS}"},
}


@pytest.mark.parametrize("kind", Kind)
def test_a_proxy_trusted_by_its_address_alone(world, ledger, tmp_path, kind):
    need(kind, package=kind)
    device = world.factory.equip(world.device())
    place = world.directory / f"address-{kind}"
    changes = FROM_AN_ADDRESS[kind]
    with behind(kind, world.server, world.identity, place, changes=changes) as front:
        curl = Curl(front, tmp_path)
        status, ran = curl.post(FIRST, device, *shown(device))
    assert status == 200, ran.said
    event = only(ledger.expect(issued=1).events)
    assert event.client_certificate_subject == f"CN={device.common_name}"
    assert (event.source_address, event.details["via"]) == (curl.source, PROXY_ADDRESS)
