"""The database as a file: its place, its mode, and the lock that only one server holds.

The lock is flock(2) on a file beside the database, held for the life of the process; the
kernel takes it back however the process ends. It is inherited by fork: whoever opens a
store and forks afterwards shares the lock with the child.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from certctl.store.errors import StoreExposed, StoreInUse, StoreUnopenable

_PRIVATE = 0o600


def database_path(url: str) -> Path:
    """Real path of a ``sqlite:///…`` URL (percent-encoded); two names of a file are one.

    Raises:
        StoreUnopenable: another kind of URL, no file named, or its folder is missing.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as err:
        raise _unusable("not a URL") from err
    name = parsed.database
    if parsed.get_backend_name() != "sqlite":
        kind = parsed.get_backend_name()
        raise _unusable(f"neither sqlite:///FILE nor postgresql://, but {kind}")
    if not name or name == ":memory:" or name.startswith("file:"):
        raise _unusable("sqlite:///FILE must name a file")
    if parsed.query:
        raise _unusable("sqlite:///FILE takes no options; a ? in a name is written %3F")
    path = Path(os.path.realpath(name))
    if not path.parent.is_dir():
        raise StoreUnopenable(str(path), note="its folder does not exist")
    return path


def _unusable(note: str) -> StoreUnopenable:
    # The URL itself may carry a password, so no text repeats it.
    return StoreUnopenable("DATABASE_URL", note=note)


def create(path: Path) -> None:
    """Make an empty file of mode 0600 unless there is one, and judge the one there is.

    Raises:
        StoreExposed: users outside owner and group have rights on it.
        StoreUnopenable: no permission, or not a regular file.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE))
        status = path.lstat()
    except OSError as err:
        raise StoreUnopenable(str(path), note=err.strerror or str(err)) from err
    if not stat.S_ISREG(status.st_mode):
        raise StoreUnopenable(str(path), note="not a regular file")
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IRWXO:
        raise StoreExposed(str(path), mode=mode)


class Lock:
    """Exclusive use of a database file by this process, until ``release``.

    Raises:
        StoreInUse: somebody else holds it.
        StoreUnopenable: the lock file cannot be made.
    """

    def __init__(self, database: Path) -> None:
        path = f"{database}.lock"
        try:
            self._file = os.open(
                path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE
            )
        except OSError as err:
            raise StoreUnopenable(path, note=err.strerror or str(err)) from err
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.pread(self._file, 20, 0)
            os.close(self._file)
            if isinstance(err, BlockingIOError):
                pid = int(holder) if holder.strip().isdigit() else None
                raise StoreInUse(str(database), pid=pid) from err
            raise StoreUnopenable(path, note=err.strerror or str(err)) from err
        self._note_holder()

    def _note_holder(self) -> None:
        # Only for the text of StoreInUse; a full disk must not keep the server from starting.
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            return

    def release(self) -> None:
        """Let the lock go. The file stays: removing it would let two hold "the" lock."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
