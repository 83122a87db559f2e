"""TLS and HTTP in our own process: from a socket to an ASGI scope and back.

Answers for limits, time limits and clean ends of connections (est.md §6 and §10). It
authenticates nobody: what it knows of the peer goes up as ``TLSInfo`` and is judged
there.
"""

from certctl.tls.context import BadServerPair, Oldest, build_server_context
from certctl.tls.http import HttpProtocol
from certctl.tls.limits import ConnectionLimits
from certctl.tls.listener import (
    EventKind,
    Listener,
    ListenerCounters,
    ListenerEvent,
    bind_listener,
)
from certctl.tls.places import Places

__all__ = [
    "BadServerPair",
    "ConnectionLimits",
    "EventKind",
    "HttpProtocol",
    "Listener",
    "ListenerCounters",
    "ListenerEvent",
    "Oldest",
    "Places",
    "bind_listener",
    "build_server_context",
]
