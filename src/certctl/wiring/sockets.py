"""The authority's AF_UNIX sockets: two paths in a 0700 directory, made by the supervisor.

One is for jobs and commands of this host, one for workers: what comes by the second needs
an API key (``authority.key_gate``). The listening sockets belong to the supervisor and are
inherited by each authority, so they outlive a crash: who connects in between waits in
their queue, not in errors.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

RUN_DIRECTORY = "run"
"""Below the data directory: sockets and lock."""

HOST_SOCKET = "authority.sock"
WORKERS_SOCKET = "workers.sock"
BACKLOG = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listening ends."""

    host: socket.socket
    workers: socket.socket

    def close(self) -> None:
        self.host.close()
        self.workers.close()


def listen(directory: Path) -> Listeners:
    """Bind and listen; replaces socket files left by a killed server.

    The caller holds the store's lock, or is about to learn that another server does.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    return Listeners(
        host=_listener(directory, HOST_SOCKET), workers=_listener(directory, WORKERS_SOCKET)
    )


def connect(directory: Path) -> socket.socket:
    """Connect as a job or command of this host. Raises OSError when nobody listens."""
    return _connected(directory, HOST_SOCKET)


def connect_worker(directory: Path) -> socket.socket:
    """Connect as a worker. Raises OSError when nobody listens."""
    return _connected(directory, WORKERS_SOCKET)


def _listener(directory: Path, name: str) -> socket.socket:
    (directory / name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _path(directory, name) as path:
        listener.bind(path)
    listener.listen(BACKLOG)
    return listener


def _connected(directory: Path, name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _path(directory, name) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


class _path:  # noqa: N801 - used as a function
    """A socket's path, short whatever the directory's depth.

    AF_UNIX paths end at 108 octets; the open directory's own name under /proc does not
    grow with its depth.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{self._name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
