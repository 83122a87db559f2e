"""Where the audit trail is copied to as it happens (records §5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CopyKind(StrEnum):
    """A file of JSON lines, or syslog (RFC 5424) by one of its transports."""

    FILE = "file"
    UDP = "udp"
    TCP = "tcp"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTarget:
    """``path`` for a file or a UNIX socket, ``host`` and ``port`` for the others."""

    kind: CopyKind
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.path or f'{self.host}:{self.port}'}"
