"""A man in the middle who ends the device's TLS and speaks TLS of his own to the server.

The device trusts him (say, through a CA that was talked into it), so everything but the
binding looks right. A bound CSR is worth nothing to him; the same bridge gets its
certificate where nothing is bound, which shows that it is the binding that stops it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from certctl.domain.audit import AuditAction, Counter
from tests.harness.bound_client import (
    CHALLENGE_PASSWORD,
    EST_IDENTITY_LINKING,
    BoundClient,
    Way,
    as_text,
    csr,
)
from tests.harness.device import Device
from tests.harness.http import TIMEOUT_SECONDS, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.raw import END_OF_HEADER, LOOPBACK, READ_SIZE, RawClient, post
from tests.harness.records import Ledger, Refused
from tests.security.binding import RIGHT, Bound, path
from tests.security.enrollment import assert_refused

VERSIONS = {"TLS 1.3": ssl.TLSVersion.TLSv1_3, "TLS 1.2": ssl.TLSVersion.TLSv1_2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """How he connects to the server: version, port, and a certificate of his own or none."""

    version: ssl.TLSVersion
    port: int
    device: Device | None


class Bridge:
    """Takes one connection, forwards one request octet by octet, and the answer back."""

    def __init__(self, bound: Bound, mischief: Mischief, directory: Path) -> None:
        self._bound = bound
        self._mischief = mischief
        ca = ForeignCA("A CA that was talked into it")
        self.trusted = ca.bundle(directory / "talked-into.pem")
        own = ca.equip(Device(directory, "bridge"), usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(own.certificate_file, own.key_file)
        self._context.maximum_version = mischief.version
        self._listening = socket.create_server((LOOPBACK, 0))
        self._listening.settimeout(TIMEOUT_SECONDS)
        self.port = int(self._listening.getsockname()[1])
        self.source = ""
        self._thread = threading.Thread(target=self._forward, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.join(TIMEOUT_SECONDS)
        self._listening.close()
        assert not self._thread.is_alive()

    def _forward(self) -> None:
        plain, _ = self._listening.accept()
        with plain, self._context.wrap_socket(plain, server_side=True) as victim:
            asked = self._whole_request(victim)
            with self._upstream() as server:
                self.source = server.source
                server.send(asked)
                answered = server.rest()
            victim.sendall(answered)

    def _upstream(self) -> RawClient:
        mine = self._mischief.device
        context = tls_context(
            self._bound.server.ca_file,
            certificate=mine.certificate_file if mine else None,
            key=mine.key_file if mine else None,
        )
        context.maximum_version = self._mischief.version
        return RawClient(self._bound.server, context=context, port=self._mischief.port)

    @staticmethod
    def _whole_request(victim: ssl.SSLSocket) -> bytes:
        found = b""
        while END_OF_HEADER not in found:
            found += victim.recv(READ_SIZE)
        header, _, body = found.partition(END_OF_HEADER)
        length = int(header.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += victim.recv(READ_SIZE)
        return header + END_OF_HEADER + body


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return VERSIONS[request.param]


@pytest.fixture(params=["nobody", "with a certificate of his own"])
def bridge(
    request: pytest.FixtureRequest, bound: Bound, version: ssl.TLSVersion, tmp_path: Path
) -> Bridge:
    own = None
    if request.param != "nobody":
        own = bound.factory.equip(Device(tmp_path, "man-in-the-middle"))
    port = bound.old_port if version is ssl.TLSVersion.TLSv1_2 else bound.server.port
    return Bridge(bound, Mischief(version=version, port=port, device=own), tmp_path)


def victim(bound: Bound, bridge: Bridge, version: ssl.TLSVersion) -> BoundClient:
    newest = SSL.TLS1_2_VERSION if version is ssl.TLSVersion.TLSv1_2 else SSL.TLS1_3_VERSION
    way = Way(port=bridge.port, newest=newest)
    return BoundClient(bound.server, way, trusted=bridge.trusted)


@pytest.mark.parametrize("profile", ["strict", "demo"])
@pytest.mark.parametrize("oid", [CHALLENGE_PASSWORD, EST_IDENTITY_LINKING])
def test_a_bound_request_does_not_cross_a_bridge(
    bound: Bound, bridge: Bridge, version: ssl.TLSVersion, profile: str, oid: str
) -> None:
    ledger = Ledger(bound.server)
    with bridge, victim(bound, bridge, version) as device:
        old = version is ssl.TLSVersion.TLSv1_2
        value = device.tls_unique if old else device.exporter
        device.send(post(path(profile), csr("victim", as_text(oid, value)), RIGHT))
        answer = device.answer()
    assert_refused(answer, 409, "another TLS connection")
    change = ledger.expect(
        Refused(
            action=AuditAction.AUTH_FAILED_CHANNEL_BINDING,
            reason="mismatch",
            counter=Counter.AUTH_FAILED_CHANNEL_BINDING,
            profile=profile,
        )
    )
    assert [event.source_address for event in change.events] == [bridge.source]


def test_an_unbound_request_does(bound: Bound, bridge: Bridge, version: ssl.TLSVersion) -> None:
    ledger = Ledger(bound.server)
    with bridge, victim(bound, bridge, version) as device:
        request = csr(f"victim-{bridge.port}")
        device.send(post(path("demo"), request, RIGHT, "Connection: close"))
        assert device.answer().status == 200
    ledger.expect(issued=1)
