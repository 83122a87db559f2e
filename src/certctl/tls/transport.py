"""The asyncio face of a TLS connection, for any asyncio HTTP protocol.

Adds nothing: it passes calls on to ``TLSConnection`` and answers what protocols ask of
``get_extra_info``. ``certctl.tls`` gives the ``TLSInfo``; ``socket`` gives None, because
whoever wrote to that socket would break the encryption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certctl.tls.connection import TLSConnection


class TLSTransport(asyncio.Transport):
    """Transport facade over one ``TLSConnection``."""

    __slots__ = ("_connection",)

    def __init__(self, connection: TLSConnection) -> None:
        super().__init__()
        self._connection = connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        connection = self._connection
        match name:
            case "peername":
                return connection.peer
            case "certctl.tls":
                return connection.info
            case "sslcontext":
                return connection.context
            case "sockname":
                return connection.local_address()
            case _:
                return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        # The engine wants the same bytes again after a pause, so they must not change.
        self._connection.write(data if isinstance(data, bytes) else bytes(data))

    def write_last(self, data: bytes) -> None:
        """Write, then close; both may travel together."""
        self._connection.write_last(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self._connection.write(b"".join(list_of_data))

    def close(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        self._connection.abort()

    def is_closing(self) -> bool:
        return self._connection.closing

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    def is_reading(self) -> bool:
        return self._connection.reading

    def get_write_buffer_size(self) -> int:
        return self._connection.unsent

    def can_write_eof(self) -> bool:
        return False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._connection.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError("a TLS connection carries a byte stream")
        self._connection.protocol = protocol


def write_last(transport: asyncio.Transport, data: bytes) -> None:
    """Write ``data`` and close, on whatever carries the bytes."""
    if isinstance(transport, TLSTransport):
        transport.write_last(data)
    else:
        transport.write(data)
        transport.close()
