"""The server's TLS context: bad pairs, what is negotiated, what never is."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from certctl.tls import BadServerPair, build_server_context
from certctl.tls import context as context_module
from tests.unit.tls.rig import (
    Pki,
    Reader,
    Server,
    client_context,
    issue,
    openssl,
    plain,
    request,
    tls,
)


def pem_of(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded


def encrypted(pki: Pki) -> bytes:
    return pki.server.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def test_bad_pairs_are_refused_with_their_reason(pki: Pki) -> None:
    chain, key = pki.server.chain_pem, pki.server.key_pem
    small = pem_of(rsa.generate_private_key(65537, 1024))  # noqa: S505 - weak on purpose
    table = [
        (b"", key, "certificate_unreadable"),
        (b"no PEM", key, "certificate_unreadable"),
        (chain.replace(b"MII", b"AAA"), key, "certificate_unreadable"),
        (chain, b"", "key_unreadable"),
        (chain, key[:-60], "key_unreadable"),
        (chain, encrypted(pki), "key_unreadable"),
        (chain, pem_of(ed25519.Ed25519PrivateKey.generate()), "key_unsupported"),
        (chain, pki.next_server.key_pem, "key_mismatch"),
        (chain, small, "key_mismatch"),
    ]
    for certificates, private, reason in table:
        with pytest.raises(BadServerPair) as caught:
            build_server_context(certificates, private)
        assert caught.value.reason == reason
        assert "secret" not in str(caught.value)


def test_chain_is_sent_as_given(server: Server, pki: Pki) -> None:
    with openssl(server) as client:
        sent = client.get_peer_cert_chain(as_cryptography=True)
    assert sent == list(pki.server.chain)


def test_no_root_is_added_when_none_is_given(server: Server) -> None:
    alone = issue("alone", by=None)
    server.do(lambda: server.listener.swap_context(server.context(alone)))
    with openssl(server) as client:
        sent = client.get_peer_cert_chain(as_cryptography=True)
    assert sent == [alone.chain[0]]


def test_hybrid_group_and_fast_cipher_come_first(server: Server) -> None:
    with openssl(server) as client:
        assert client.get_group_name() == "X25519MLKEM768"
        assert client.get_cipher_name() == "TLS_AES_128_GCM_SHA256"


def test_other_groups_are_refused(server: Server) -> None:
    context = client_context()
    context.set_ecdh_curve("secp521r1")
    with plain(server) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock)


def test_without_the_private_handle_openssl_chooses(
    monkeypatch: pytest.MonkeyPatch, serve: Any
) -> None:
    monkeypatch.setattr(context_module, "GROUPS", b"NoSuchGroup:X25519")
    server = serve()
    with openssl(server) as client:
        client.sendall(request())
        assert Reader(client).answer().status == 200


def test_tls_1_2_is_refused(server: Server) -> None:
    with pytest.raises(ssl.SSLError) as caught, tls(server, maximum_version=ssl.TLSVersion.TLSv1_2):
        pass
    assert "PROTOCOL_VERSION" in str(caught.value)
    assert server.counters.handshakes_failed == 1


def test_nothing_is_resumed(server: Server) -> None:
    context = client_context()
    session = None
    for _ in range(3):
        with plain(server) as sock, context.wrap_socket(sock, session=session) as client:
            client.sendall(request())
            Reader(client).answer()
            assert not client.session_reused
            session = client.session  # what the client would resume with
    assert session is not None
