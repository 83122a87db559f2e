"""Files that are whole or absent, also after a power cut.

What is written here decides whether the CA comes back, so the content reaches the disk
before the name does, and the name before the caller goes on. Nothing is ever readable
by others for a moment: the mode is right from the creation on.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_file(path: Path, data: bytes, *, mode: int, replace: bool = False) -> None:
    """Write ``data`` under ``path`` with ``mode`` bits, durably.

    Unless ``replace`` is set, a file that is already there stays and the caller learns
    of it: of two processes that start at once, one makes the file.

    Raises:
        FileExistsError: there is such a file, and it was not to be replaced.
        OSError: the disk is full, read-only …; the old content, if any, is untouched.
    """
    # mkstemp opens with O_EXCL and mode 0600, so no umask and no planted link matters.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            # A rename would overwrite silently; a second link to the file cannot.
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names made or changed in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
