"""Who is calling, and from where, when a trusted proxy speaks for the caller (est §10).

Stands between the TLS edge and the EST gates. A trusted proxy's own certificate is never
the client's: what it forwards is, or there is none. From anybody else the headers are
ignored and noted. The forwarded certificate is judged later, like one shown directly;
only that its key is held was proven to the proxy and not to us: that is what trust means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from certctl.domain.asgi import Scope
from certctl.domain.connection import TLSInfo
from certctl.domain.errors import ProxyHeaderRefused
from certctl.domain.proxies import TrustedProxies
from certctl.obs.bounded_log import BoundedLog
from certctl.wire.proxy_headers import (
    Fault,
    Hop,
    ProxyHeaderMalformed,
    decode_client_cert,
    decode_client_cert_chain,
    decode_escaped_pem,
    decode_forwarded,
    decode_x_forwarded_for,
)

T = TypeVar("T")

CLIENT_CERT: Final = b"client-cert"
CLIENT_CERT_CHAIN: Final = b"client-cert-chain"
X_SSL_CLIENT_CERT: Final = b"x-ssl-client-cert"
FORWARDED: Final = b"forwarded"
X_FORWARDED_FOR: Final = b"x-forwarded-for"

PROXY_HEADERS: Final = frozenset(
    {CLIENT_CERT, CLIENT_CERT_CHAIN, X_SSL_CLIENT_CERT, FORWARDED, X_FORWARDED_FOR}
)


class Caller(Struct, frozen=True, kw_only=True):
    """The client as the gates see it.

    ``refused`` is set where a trusted proxy's headers cannot be used; it is data here so
    that the refusal can be recorded with what is known of the caller.
    """

    tls: TLSInfo
    source: str
    refused: ProxyHeaderRefused | None = None

    def require_readable(self) -> None:
        """Raises ProxyHeaderRefused where a proxy's word about this caller is unusable."""
        if self.refused is not None:
            raise self.refused


class ProxyGate:
    """Give ``caller`` each request before anything is made of it."""

    def __init__(self, proxies: TrustedProxies, ignored: BoundedLog) -> None:
        self._proxies = proxies
        self._ignored = ignored

    def sent_by_proxy(self, scope: Scope) -> bool:
        """Whether it was a trusted proxy that sent this request."""
        tls: TLSInfo = scope["extensions"]["certctl.tls"]
        return bool(self._proxies and self._proxies.via(scope["client"][0], tls.peer_chain))

    def caller(self, scope: Scope) -> Caller:
        """The client of this request; never raises, see ``Caller.refused``."""
        tls: TLSInfo = scope["extensions"]["certctl.tls"]
        peer: str = scope["client"][0]
        said = [field for field in scope["headers"] if field[0] in PROXY_HEADERS]
        via = self._proxies.via(peer, tls.peer_chain) if self._proxies else ""
        if not via:
            if said:
                names = sorted({name.decode() for name, _ in said})
                self._ignored.info(source=peer, headers=names)
            return Caller(tls=tls, source=peer)
        source = peer
        chain: tuple[bytes, ...] = ()
        refused = None
        try:
            source = self._source(peer, said)
            chain = _chain(said)
        except ProxyHeaderRefused as failure:
            refused = failure
        # A new value on purpose: nothing of the proxy's own connection may stay in it.
        client = TLSInfo(version=tls.version, exporter=None, peer_chain=chain, via=via)
        return Caller(tls=client, source=source, refused=refused)

    def _source(self, peer: str, said: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's address: the last one named that is not itself a trusted proxy."""
        readers: tuple[tuple[bytes, Callable[[bytes], tuple[Hop, ...]]], ...] = (
            (FORWARDED, decode_forwarded),
            (X_FORWARDED_FOR, decode_x_forwarded_for),
        )
        sources = set()
        for name, decode in readers:
            # Both are lists, so several lines are one (RFC 9110 §5.3).
            value = b", ".join(_values(said, name))
            if value:
                sources.add(self._nearest_stranger(_read(name, decode, value), peer))
        if len(sources) > 1:
            # A proxy that sets one and lets the other through would let clients choose.
            raise ProxyHeaderRefused(FORWARDED.decode(), Fault.CONFLICT)
        return sources.pop() if sources else peer

    def _nearest_stranger(self, hops: Iterable[Hop], peer: str) -> str:
        source = peer
        for hop in reversed(tuple(hops)):
            if hop is None:
                break  # whoever named this one would not say more
            source = str(hop)
            if not self._proxies.covers(hop):
                break  # what a stranger says about hops before it is anybody's guess
        return source


def _chain(said: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, ...]:
    """The forwarded certificates, leaf first (DER); empty where there are none."""
    by_rfc = _only(said, CLIENT_CERT)
    by_nginx = _only(said, X_SSL_CLIENT_CERT)
    rest = b", ".join(_values(said, CLIENT_CERT_CHAIN))
    leaf = _read(CLIENT_CERT, decode_client_cert, by_rfc) if by_rfc else b""
    if by_nginx:
        escaped = _read(X_SSL_CLIENT_CERT, decode_escaped_pem, by_nginx)
        if leaf and escaped != leaf:
            raise ProxyHeaderRefused(X_SSL_CLIENT_CERT.decode(), Fault.CONFLICT)
        leaf = escaped
    if not rest:
        return (leaf,) if leaf else ()
    if not by_rfc:
        # RFC 9440 §2.3: it must not be there without the certificate it follows.
        raise ProxyHeaderRefused(CLIENT_CERT_CHAIN.decode(), Fault.ALONE)
    return (leaf, *_read(CLIENT_CERT_CHAIN, decode_client_cert_chain, rest))


def _values(said: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Empty values are none: proxies without a certificate to forward send them."""
    return [value for found, value in said if found == name and value]


def _only(said: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The value of a header that may stand once (RFC 9440 §2.2)."""
    if sum(found == name for found, _ in said) > 1:
        raise ProxyHeaderRefused(name.decode(), Fault.DOUBLED)
    return b"".join(_values(said, name))


def _read(name: bytes, decode: Callable[[bytes], T], value: bytes) -> T:
    try:
        return decode(value)
    except ProxyHeaderMalformed as err:
        raise ProxyHeaderRefused(name.decode(), err.fault) from err
