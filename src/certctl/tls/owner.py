"""What a connection tells the listener that accepted it, and asks of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from certctl.tls.deadline import Alarms
from certctl.tls.limits import ConnectionLimits

if TYPE_CHECKING:
    from certctl.tls.connection import TLSConnection


class ConnectionOwner(Protocol):
    """The listener, as its connections see it."""

    limits: ConnectionLimits
    alarms: Alarms

    def new_protocol(self) -> asyncio.Protocol: ...
    def handshake_done(self, *, tls12: bool) -> None: ...
    def handshake_failed(self, connection: TLSConnection, reason: str) -> None: ...
    def write_timed_out(self, connection: TLSConnection) -> None: ...
    def connection_quiet(self, connection: TLSConnection) -> None:
        """Everything was said; only the peer's end of the connection is awaited."""

    def connection_closed(self, connection: TLSConnection) -> None:
        """The socket is closed. Called exactly once."""
