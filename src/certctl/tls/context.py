"""The server's TLS context: what is negotiated and what never is (est.md §10).

TLS 1.3, and TLS 1.2 only where it is asked for; hybrid key exchange first, no tickets, no
resumption, no renegotiation, no early data. A client certificate is asked for and *any* is
accepted: the peer proves that it holds the key, and whether anybody trusts the certificate
is decided per profile, later, with an answer the client can read. This module must never
put a CA into the context: OpenSSL would complete our own chain from it at each handshake
and would hint at trust that nobody decided here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from certctl.tls.library import (
    ask_for_any_certificate,
    prefer_groups,
    read_one_record_at_a_time,
)

GROUPS: Final = b"X25519MLKEM768:X25519:P-256:P-384"

# AES-128-GCM first: SHA-384 has no hardware help on common CPUs (notes: 285 against 316 µs).
CIPHERSUITES: Final = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

TLS12_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""AEAD with ephemeral keys only; what else TLS 1.2 knows has been broken in some way."""

_SESSION_ID_CONTEXT: Final = b"certctl"


class Oldest(StrEnum):
    """The oldest protocol a listener speaks."""

    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"


class BadServerPair(ValueError):
    """The server's certificate and key cannot be used together.

    ``reason`` is one of ``certificate_unreadable``, ``key_unreadable``,
    ``key_unsupported``, ``key_mismatch``; ``note`` says more, without any secret.
    """

    def __init__(self, reason: str, note: str = "") -> None:
        super().__init__(reason, note)
        self.reason = reason
        self.note = note


def build_server_context(
    certificate_chain_pem: bytes, key_pem: bytes, *, oldest: Oldest = Oldest.TLS13
) -> SSL.Context:
    """Make a context for new connections; nothing in use is touched.

    Args:
        certificate_chain_pem: the server's certificate first, then the chain to send,
            in the order given.
        key_pem: its unencrypted private key, EC or RSA.
        oldest: the oldest protocol to speak; newer ones are spoken too.

    Raises:
        BadServerPair: unreadable, of an unsupported kind, or not a pair.
    """
    chain = _read_chain(certificate_chain_pem)
    key = _read_key(key_pem)
    if key.public_key() != chain[0].public_key():
        raise BadServerPair("key_mismatch", chain[0].subject.rfc4514_string())
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    match oldest:
        case Oldest.TLS13:
            context.set_min_proto_version(SSL.TLS1_3_VERSION)
        case Oldest.TLS12:
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.set_cipher_list(TLS12_CIPHERS)
    try:
        context.use_certificate(chain[0])
        context.use_privatekey(key)
        context.check_privatekey()
        for issuer in chain[1:]:
            context.add_extra_chain_cert(issuer)
    except (SSL.Error, crypto.Error) as err:
        # OpenSSL's security level refuses, say, RSA keys under 2048 bits.
        raise BadServerPair("key_unsupported", _first_reason(err)) from err
    context.set_tls13_ciphersuites(CIPHERSUITES)
    prefer_groups(context, GROUPS)
    context.set_options(
        SSL.OP_CIPHER_SERVER_PREFERENCE
        | SSL.OP_NO_TICKET
        | SSL.OP_NO_RENEGOTIATION
        # A client may end its side of TCP without close_notify and still wait for its
        # answer. HTTP requests carry their own length, so no truncation goes unseen.
        | SSL.OP_IGNORE_UNEXPECTED_EOF
    )
    # In TLS 1.3 OP_NO_TICKET makes tickets mere names of cached sessions; with the cache
    # off they open nothing. The server sends none at all (certctl.openssl_defaults): pyOpenSSL
    # has no call for that.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # With VERIFY_PEER OpenSSL insists on a session id context, resumption or not.
    context.set_session_id(_SESSION_ID_CONTEXT)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    read_one_record_at_a_time(context)
    ask_for_any_certificate(context)
    return context


def _read_chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as err:
        raise BadServerPair("certificate_unreadable", str(err)) from err


def _read_key(pem: bytes) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        # The texts of these errors may quote the input; only their kind is passed on.
        raise BadServerPair("key_unreadable", type(err).__name__) from err
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise BadServerPair("key_unsupported", type(key).__name__)
    return key


def _first_reason(err: Exception) -> str:
    queue = err.args[0] if err.args else ()
    return str(queue[0][-1]) if isinstance(queue, list) and queue else ""
