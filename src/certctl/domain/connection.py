"""What the TLS edge knows about a connection, handed upwards with each request.

Nothing here authenticates anybody: the peer proved that it holds the key of the
first certificate of ``peer_chain``, not that anyone trusts that certificate. Behind a
trusted proxy that proof was given to the proxy, and ``via`` names it.
"""

from __future__ import annotations

from msgspec import Struct


class TLSInfo(Struct, frozen=True, kw_only=True):
    """One established TLS connection, as the transport saw it.

    Attributes:
        version: protocol name as OpenSSL gives it, ``TLSv1.3`` or ``TLSv1.2``.
        exporter: 32 octets of keying material with the label
            ``EXPORTER-Channel-Binding`` and an empty context (RFC 9266 §4), or None
            where this connection has none: behind a proxy, and on TLS 1.2 without
            extended master secret (RFC 7627), where two connections could share it.
        tls_unique: the client's first Finished message (RFC 5929 §3), 12 octets; only
            on TLS 1.2 with extended master secret, never on TLS 1.3 (RFC 8446 §C.5).
        peer_chain: DER certificates exactly as the client presented them, leaf first;
            empty when it showed none.
        via: the trusted proxy that this is the word of (est §10), or empty. With it,
            ``peer_chain`` is the client's as forwarded, never the proxy's own, ``version``
            is that of the proxy's connection, and no channel binding can hold.
    """

    version: str
    exporter: bytes | None
    peer_chain: tuple[bytes, ...]
    tls_unique: bytes | None = None
    via: str = ""

    @property
    def bindable(self) -> bool:
        """This connection has a value that a request can be bound to."""
        return self.exporter is not None or self.tls_unique is not None
