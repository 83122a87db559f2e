"""Ends of a connection that no peer asked for."""

from __future__ import annotations

import socket
import struct
from typing import Final

# l_onoff, l_linger: what is unsent is dropped.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


def reset_on_close(sock: socket.socket) -> None:
    """From now on ``close`` sends RST in place of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
