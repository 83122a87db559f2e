"""Tells systemd how the server is (sd_notify): ready, reloading, stopping, still alive.

One datagram a message, to the socket that ``NOTIFY_SOCKET`` names; without it everything
here does nothing. Only the supervisor speaks: a unit with ``NotifyAccess=main`` is enough.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from certctl.domain.clock import SECOND_US

# How long a word of state may wait for a manager that is busy.
PATIENCE_S = 1.0


class ServiceManager:
    """The notification socket of the service manager that started us, if one did.

    Attributes:
        watchdog_s: seconds between two signs of life, half of what the unit's
            ``WatchdogSec=`` asks for; None where it asks for none, or of another process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            # The abstract namespace is written with an @ in place of its zero octet.
            self._address = "\0" + self._address[1:]
        self.watchdog_s = _watchdog_s(environ) if self._address else None

    def ready(self, status: str) -> None:
        """Serving; ``status`` is what ``systemctl status`` shows."""
        self._tell(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Reading the files again; ``ready`` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """No new connection is taken; requests in flight are answered."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """The sign of life that ``WatchdogSec=`` waits for."""
        self._tell("WATCHDOG=1", wait_s=0.0)

    def _tell(self, message: str, *, wait_s: float = PATIENCE_S) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # A manager that does not read fills its queue; we must not hang with it.
            sender.settimeout(wait_s)
            try:
                sender.sendto(message.encode(), self._address)
            except OSError:
                # A manager that is away must not take the service with it.
                return


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    limit = environ.get("WATCHDOG_USEC", "")
    if not limit.isdigit() or int(limit) == 0:
        return None
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(limit) / SECOND_US / 2
