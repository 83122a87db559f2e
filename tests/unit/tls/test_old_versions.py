"""TLS 1.2 where it is spoken: what is agreed on, what binds, and what is refused."""

from __future__ import annotations

import json
import ssl

import pytest
from OpenSSL import SSL

from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import (
    Reader,
    Server,
    client_context,
    openssl,
    plain,
    request,
    tls,
)

LABEL = b"EXPORTER-Channel-Binding"
# OpenSSL's SSL_OP_NO_EXTENDED_MASTER_SECRET (RFC 7627); neither library names it.
NO_EXTENDED_MASTER_SECRET = 1
TLS12 = ssl.TLSVersion.TLSv1_2


@pytest.fixture
def old(serve: Serve) -> Server:
    server = serve()
    server.speak_old_versions()
    return server


def tls12(*, options: int = 0, ciphers: bytes | None = None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(options)
    if ciphers:
        context.set_cipher_list(ciphers)
    return context


def facts(client: SSL.Connection) -> dict[str, object]:
    client.sendall(request("/scope"))
    found: dict[str, object] = json.loads(Reader(client).answer().body)
    return found


def test_both_bindings_are_equal_on_both_ends(old: Server) -> None:
    seen = set()
    for _ in range(2):
        with openssl(old, context=tls12()) as client:
            found = facts(client)
            assert found["version"] == "TLSv1.2"
            # RFC 5929 §3: the client's Finished, which here was sent and not received.
            assert found["tls_unique"] == (client.get_finished() or b"").hex()
            assert len(bytes.fromhex(str(found["tls_unique"]))) == 12
            assert found["exporter"] == client.export_keying_material(LABEL, 32, b"").hex()
            # RFC 5705 §4: on TLS 1.2 no context is not the empty context.
            assert found["exporter"] != client.export_keying_material(LABEL, 32).hex()
            seen.add(found["tls_unique"])
            seen.add(found["exporter"])
    assert len(seen) == 4


def test_tls_unique_is_what_another_library_says_it_is(old: Server) -> None:
    with tls(old, maximum_version=TLS12) as client:
        client.sendall(request("/scope"))
        found = json.loads(Reader(client).answer().body)
        unique = client.get_channel_binding("tls-unique")
    assert unique is not None
    assert found["tls_unique"] == unique.hex()


def test_without_extended_master_secret_nothing_binds(old: Server) -> None:
    with openssl(old, context=tls12(options=NO_EXTENDED_MASTER_SECRET)) as client:
        found = facts(client)
    assert found["version"] == "TLSv1.2"
    assert found["exporter"] is None
    assert found["tls_unique"] is None
    assert found["bindable"] is False


@pytest.mark.parametrize("speaks_old", [True, False])
def test_tls_1_3_has_no_tls_unique(serve: Serve, *, speaks_old: bool) -> None:
    server = serve()
    if speaks_old:
        server.speak_old_versions()
    with openssl(server) as client:
        found = facts(client)
        assert found["version"] == "TLSv1.3"
        assert found["tls_unique"] is None
        assert found["exporter"] == client.export_keying_material(LABEL, 32, b"").hex()
        assert found["bindable"] is True


def test_the_hybrid_group_stays_first(old: Server) -> None:
    with openssl(old) as client:
        assert client.get_group_name() == "X25519MLKEM768"


@pytest.mark.parametrize(
    "cipher",
    [
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-AES256-GCM-SHA384",
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
    ],
)
def test_ephemeral_aead_is_agreed_on(old: Server, cipher: bytes) -> None:
    with openssl(old, context=tls12(ciphers=cipher)) as client:
        assert client.get_cipher_name() == cipher.decode()


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"]
)
def test_other_ciphers_are_refused(old: Server, cipher: str) -> None:
    context = client_context()
    context.maximum_version = TLS12
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with plain(old) as sock, pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        context.wrap_socket(sock)
    assert old.counters.handshakes_failed == 1


def test_tls_1_1_is_refused(old: Server) -> None:
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with plain(old) as sock, pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        context.wrap_socket(sock)
    assert old.counters.handshakes_failed == 1


def test_nothing_is_resumed(old: Server) -> None:
    context = client_context()
    context.maximum_version = TLS12
    session = None
    for _ in range(3):
        with plain(old) as sock, context.wrap_socket(sock, session=session) as client:
            client.sendall(request())
            Reader(client).answer()
            assert not client.session_reused
            session = client.session
    assert session is not None
    assert not session.has_ticket
    assert session.id == b""


def test_a_renegotiation_is_refused(old: Server) -> None:
    with openssl(old, context=tls12()) as client:
        before = facts(client)
        assert client.renegotiate()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            client.do_handshake()
        assert before["tls_unique"] == (client.get_finished() or b"").hex()
