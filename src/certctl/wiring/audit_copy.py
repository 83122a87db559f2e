"""The copy of the audit trail (``AUDIT_COPY``): a thread of the jobs process.

It has a connection to the store of its own, and nobody waits for it: a target that is away
or slow delays the copy and nothing else. How far it has come stands in a hidden file of
the data directory, which no backup takes along: it tells of the world outside.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import msgspec

from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.domain.errors import StoreUnavailable
from certctl.domain.failure_words import words_of
from certctl.issuers.atomic_write import write_file
from certctl.jobs.audit_copy import AuditCopier, Cursor, Sink
from certctl.jobs.copy_file import FileSink
from certctl.jobs.copy_syslog import SyslogSink
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.store import StoreError, open_records

CURSOR_FILE = ".audit-copy"

EVERY_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 10.0
STOP_SECONDS = 3.0


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The cursor file: digests are hexadecimal."""

    target: str
    chains: dict[str, tuple[int, str]]
    checkpoint: int
    checkpoint_digest: str


class AuditCopy:
    """Runs from ``start`` to ``stop``."""

    def __init__(self, settings: Settings, target: CopyTarget, log: Log) -> None:
        self._url = settings.server.database_url
        self._path = settings.server.data_dir / CURSOR_FILE
        self._target = target
        self._log = log
        self._stopping = threading.Event()
        self._reopen = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-copy", daemon=True)
        self._away = ""
        self._wait = EVERY_SECONDS

    def start(self) -> None:
        self._thread.start()

    def reopen(self) -> None:
        """For SIGHUP: a file is opened anew before the next line."""
        self._reopen.set()

    def stop(self) -> None:
        """What is under way is finished if it can be at once; the next start goes on."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._copy()
            except (OSError, StoreUnavailable, StoreError) as away:
                self._tell_away(str(words_of(away)))
            except Exception as fault:  # noqa: BLE001 - an edge: the copy must outlive a bad row
                self._tell_away(str(words_of(fault)))
            self._stopping.wait(self._wait)
            self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)

    def _copy(self) -> None:
        """Copy until told to stop. Raises whatever stands in the way."""
        records = open_records(self._url)
        sink = _sink(self._target)
        try:
            copier = AuditCopier(records, sink, self._load(), keep=self._keep)
            if not copier.is_of_this_store():
                self._log.warning("audit_copy_begins_anew", target=str(self._target))
                copier.begin_anew()
            lost = 0
            while not self._stopping.is_set():
                if self._reopen.is_set():
                    self._reopen.clear()
                    sink.reopen()
                copier.step(self._stopping.is_set)
                self._wait = EVERY_SECONDS
                if copier.lost > lost:
                    self._log.error("audit_copy_lost", lines=copier.lost - lost)
                    lost = copier.lost
                if self._away:
                    self._away = ""
                    self._log.info("audit_copy_back", target=str(self._target))
                self._stopping.wait(EVERY_SECONDS)
        finally:
            sink.reopen()
            records.close()

    def _tell_away(self, problem: str) -> None:
        if problem != self._away:
            self._log.warning("audit_copy_away", target=str(self._target), problem=problem)
        self._away = problem

    def _load(self) -> Cursor:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return Cursor()
        except msgspec.MsgspecError:
            self._log.warning("audit_copy_cursor_unreadable", path=str(self._path))
            return Cursor()
        if kept.target != str(self._target):
            return Cursor()
        return Cursor(
            chains={node: (seq, bytes.fromhex(each)) for node, (seq, each) in kept.chains.items()},
            checkpoint=kept.checkpoint,
            checkpoint_digest=bytes.fromhex(kept.checkpoint_digest),
        )

    def _keep(self, cursor: Cursor) -> None:
        kept = _Kept(
            target=str(self._target),
            chains={node: (seq, each.hex()) for node, (seq, each) in cursor.chains.items()},
            checkpoint=cursor.checkpoint,
            checkpoint_digest=cursor.checkpoint_digest.hex(),
        )
        write_file(self._path, msgspec.json.encode(kept), mode=0o600, replace=True)


def _sink(target: CopyTarget) -> Sink:
    if target.kind is CopyKind.FILE:
        return FileSink(Path(target.path))
    return SyslogSink(target, host=socket.gethostname())
