"""The authority's AF_UNIX socket: a path in a 0700 directory, made by the supervisor.

The listening socket belongs to the supervisor and is inherited by each authority, so
it outlives a crash: workers that connect in between wait in its queue, not in errors.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

RUN_DIRECTORY = "run"
"""Below the data directory: socket and lock."""

SOCKET_NAME = "authority.sock"
BACKLOG = 128


def listen(directory: Path) -> socket.socket:
    """Bind and listen; replaces a socket file left by a killed server.

    The caller holds the store's lock, or is about to learn that another server does.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / SOCKET_NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _directory(directory) as path:
        listener.bind(path)
    listener.listen(BACKLOG)
    return listener


def connect(directory: Path) -> socket.socket:
    """Connect as a worker or host command. Raises OSError when nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _directory(directory) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


class _directory:  # noqa: N801 - used as a function
    """The socket's path, short whatever the directory's depth.

    AF_UNIX paths end at 108 octets; the open directory's own name under /proc does not
    grow with its depth.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{SOCKET_NAME}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
