"""The caller behind a proxy: whose word counts, which certificate, which source."""

from __future__ import annotations

import hashlib
import io
import json
from ipaddress import ip_network
from urllib.parse import quote

import pytest

from certctl.domain.connection import TLSInfo
from certctl.domain.errors import ProxyHeaderRefused
from certctl.domain.proxies import TrustedProxies
from certctl.obs.bounded_log import LINES_PER_SECOND, BoundedLog
from certctl.obs.log import Level, make_log
from certctl.web.through_proxy import Caller, ProxyGate
from certctl.wire.body import encode_base64
from certctl.wire.proxy_headers import encode_client_cert

DEVICE = b"\x30\x03\x02\x01\x05"
OTHER = b"\x30\x03\x02\x01\x06"
BETWEEN = b"\x30\x03\x02\x01\x07"
PROXYS_OWN = b"\x30\x03\x02\x01\x08"
EXPORTER = bytes(32)

PROXY = "10.0.0.1"
CLIENT = "198.51.100.9"
PROXIES = TrustedProxies(
    networks=(ip_network("10.0.0.0/24"), ip_network("2001:db8::/64")),
    fingerprints=frozenset({hashlib.sha256(PROXYS_OWN).digest()}),
)

Header = tuple[str, bytes]


class Rig:
    """One gate and what it logs; ``ask`` is one request from ``peer``."""

    def __init__(self, proxies: TrustedProxies = PROXIES) -> None:
        self.now_us = 1_000_000
        self.lines = io.StringIO()
        log = make_log(
            "test", level=Level.INFO, text=False, clock=lambda: self.now_us, stream=self.lines
        )
        ignored = BoundedLog(log, lambda: self.now_us, event="proxy_headers_ignored")
        self._gate = ProxyGate(proxies, ignored)

    def ask(self, *headers: Header, peer: str = PROXY, shown: tuple[bytes, ...] = ()) -> Caller:
        fields = [(name.lower().encode(), value) for name, value in headers]
        tls = TLSInfo(version="TLSv1.3", exporter=EXPORTER, peer_chain=shown)
        scope = {"client": (peer, 4711), "headers": fields, "extensions": {"certctl.tls": tls}}
        return self._gate.caller(scope)

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


def rfc(der: bytes) -> Header:
    return ("Client-Cert", encode_client_cert(der))


def nginx(der: bytes) -> Header:
    text = encode_base64(der, wrapped=True).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    return ("X-SSL-Client-Cert", quote(pem, safe="").encode())


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_direct_client_is_as_it_came(rig):
    caller = rig.ask(peer=CLIENT, shown=(DEVICE, BETWEEN))
    assert (caller.source, caller.tls.peer_chain) == (CLIENT, (DEVICE, BETWEEN))
    assert (caller.tls.exporter, caller.tls.via) == (EXPORTER, "")
    assert rig.logged() == []


SPOOFS = [
    rfc(DEVICE),
    nginx(DEVICE),
    ("Client-Cert-Chain", encode_client_cert(BETWEEN)),
    ("Forwarded", b"for=192.0.2.1"),
    ("X-Forwarded-For", b"192.0.2.1"),
    ("Client-Cert", b"nonsense"),
    ("X-Forwarded-For", b""),
]


@pytest.mark.parametrize("spoof", SPOOFS)
@pytest.mark.parametrize("proxies", [PROXIES, TrustedProxies()])
def test_a_strangers_word_is_ignored_and_noted(proxies, spoof):
    rig = Rig(proxies)
    caller = rig.ask(spoof, peer=CLIENT, shown=(OTHER,))
    caller.require_readable()
    assert (caller.source, caller.tls.peer_chain) == (CLIENT, (OTHER,))
    assert (caller.tls.exporter, caller.tls.via) == (EXPORTER, "")
    (line,) = rig.logged()
    assert (line["event"], line["source"]) == ("proxy_headers_ignored", CLIENT)
    assert line["headers"] == [spoof[0].lower()]


def test_notes_are_bounded(rig):
    for _ in range(LINES_PER_SECOND + 5):
        rig.ask(*SPOOFS, peer=CLIENT)
    assert len(rig.logged()) == LINES_PER_SECOND
    rig.now_us += 1_000_000
    rig.ask(*SPOOFS, peer=CLIENT)
    left_out, line = rig.logged()[LINES_PER_SECOND:]
    assert (left_out["event"], left_out["count"]) == ("proxy_headers_ignored_more", 5)
    assert line["headers"] == sorted({name.lower() for name, _ in SPOOFS})


@pytest.mark.parametrize(
    ("headers", "chain"),
    [
        ((), ()),
        ((rfc(DEVICE),), (DEVICE,)),
        ((nginx(DEVICE),), (DEVICE,)),
        ((rfc(DEVICE), nginx(DEVICE)), (DEVICE,)),
        ((rfc(DEVICE), ("Client-Cert-Chain", encode_client_cert(BETWEEN))), (DEVICE, BETWEEN)),
        (
            (
                # RFC 9440 §2.3: a list, so it may come in several lines.
                ("Client-Cert-Chain", encode_client_cert(BETWEEN)),
                rfc(DEVICE),
                ("Client-Cert-Chain", encode_client_cert(OTHER)),
            ),
            (DEVICE, BETWEEN, OTHER),
        ),
        ((("X-SSL-Client-Cert", b""), ("Client-Cert", b""), ("Client-Cert-Chain", b"")), ()),
    ],
)
@pytest.mark.parametrize(
    ("peer", "shown"),
    [(PROXY, ()), (PROXY, (OTHER,)), (PROXY, (PROXYS_OWN,)), ("192.0.2.7", (PROXYS_OWN,))],
)
def test_the_certificate_is_the_forwarded_one_and_never_the_proxys(
    rig, peer, shown, headers, chain
):
    caller = rig.ask(*headers, peer=peer, shown=shown)
    caller.require_readable()
    assert caller.tls.peer_chain == chain
    assert caller.tls.exporter is None
    assert caller.tls.via.startswith(peer)
    assert rig.logged() == []


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ((), PROXY),
        ((("X-Forwarded-For", CLIENT.encode()),), CLIENT),
        ((("X-Forwarded-For", b""),), PROXY),
        ((("X-Forwarded-For", b"198.51.100.9:50000"),), CLIENT),
        ((("Forwarded", b'for="198.51.100.9:50000";proto=https'),), CLIENT),
        ((("Forwarded", b'for="[2001:db8:1::9]"'),), "2001:db8:1::9"),
        # What stands before the nearest stranger is that stranger's own story.
        ((("X-Forwarded-For", b"192.0.2.1, 198.51.100.9"),), CLIENT),
        ((("X-Forwarded-For", b"192.0.2.1, 198.51.100.9, 10.0.0.7"),), CLIENT),
        ((("X-Forwarded-For", b"10.0.0.9, 198.51.100.9, 2001:db8::5, 10.0.0.7"),), CLIENT),
        ((("X-Forwarded-For", b"192.0.2.1"), ("X-Forwarded-For", b"198.51.100.9")), CLIENT),
        ((("Forwarded", b"for=192.0.2.1"), ("Forwarded", b"for=198.51.100.9")), CLIENT),
        # All of them proxies: the farthest is the client.
        ((("X-Forwarded-For", b"10.0.0.9, 10.0.0.7"),), "10.0.0.9"),
        # Unknown or hidden: the nearest that is known stands for it.
        ((("X-Forwarded-For", b"unknown"),), PROXY),
        ((("Forwarded", b"for=_hidden, for=10.0.0.7"),), "10.0.0.7"),
        ((("Forwarded", b"for=192.0.2.1, for=unknown"),), PROXY),
        # Both, of one mind.
        ((("Forwarded", b"for=198.51.100.9"), ("X-Forwarded-For", b"198.51.100.9")), CLIENT),
    ],
)
def test_the_source_is_the_nearest_stranger(rig, headers, source):
    caller = rig.ask(*headers)
    caller.require_readable()
    assert caller.source == source


@pytest.mark.parametrize(
    ("headers", "header", "fault"),
    [
        ((("Client-Cert", b"x"),), "client-cert", "not_a_byte_sequence"),
        ((("Client-Cert", b"::"),), "client-cert", "not_a_certificate"),
        ((rfc(DEVICE), rfc(DEVICE)), "client-cert", "doubled"),
        ((rfc(DEVICE), ("Client-Cert", b"")), "client-cert", "doubled"),
        ((nginx(DEVICE), nginx(DEVICE)), "x-ssl-client-cert", "doubled"),
        ((("X-SSL-Client-Cert", b"%"),), "x-ssl-client-cert", "not_url_encoded"),
        (
            (rfc(DEVICE), nginx(OTHER)),
            "x-ssl-client-cert",
            "contradicts_another_header",
        ),
        (
            (("Client-Cert-Chain", encode_client_cert(BETWEEN)),),
            "client-cert-chain",
            "chain_without_certificate",
        ),
        (
            (nginx(DEVICE), ("Client-Cert-Chain", encode_client_cert(BETWEEN))),
            "client-cert-chain",
            "chain_without_certificate",
        ),
        ((rfc(DEVICE), ("Client-Cert-Chain", b"x")), "client-cert-chain", "not_a_byte_sequence"),
        ((("X-Forwarded-For", b"x"),), "x-forwarded-for", "not_an_address"),
        ((("Forwarded", b"x"),), "forwarded", "not_rfc_7239"),
        (
            (("Forwarded", b"for=192.0.2.1"), ("X-Forwarded-For", b"198.51.100.9")),
            "forwarded",
            "contradicts_another_header",
        ),
    ],
)
def test_a_trusted_proxys_unusable_word_is_refused(rig, headers, header, fault):
    caller = rig.ask(*headers, shown=(PROXYS_OWN,))
    with pytest.raises(ProxyHeaderRefused) as caught:
        caller.require_readable()
    assert (caught.value.header, caught.value.fault) == (header, fault)
    # What is recorded of it names the proxy, and nobody's certificate.
    assert caller.tls.via.startswith(PROXY)
    assert caller.tls.peer_chain == ()


def test_the_source_is_known_where_only_the_certificate_is_unusable(rig):
    caller = rig.ask(("X-Forwarded-For", CLIENT.encode()), ("Client-Cert", b"x"))
    assert (caller.source, caller.refused is None) == (CLIENT, False)
