"""The jobs process: reads the store, writes through the authority, faces no network peer."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from certctl.authority.caller import AuthorityCaller
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.clock import Clock
from certctl.jobs.checkpoint import CheckpointJob
from certctl.jobs.loop import Job, JobLoop
from certctl.jobs.purge import PurgeJob
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.settings.secret import SecretUnreadable
from certctl.store import SqlRecords, StoreError, open_records
from certctl.store.url import is_postgres
from certctl.wiring import sockets
from certctl.wiring.event_jobs import EventJobs
from certctl.wiring.process import name_process
from certctl.wiring.store import node_name
from certctl.wiring.supervisor import Status, refuse_start

TICK_SECONDS = 1.0


def run(settings: Settings, run_directory: Path, status: Status, *, log: Log, clock: Clock) -> int:
    """Run until SIGTERM; gives the exit code."""
    name_process("certctl-jobs")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping = _Stop()
    signal.signal(signal.SIGTERM, stopping.note)

    def on_fault(job: str, fault: BaseException) -> None:
        log.warning("job_failed", job=job, problem=f"{type(fault).__name__}: {fault}")

    try:
        holder = f"{_node(settings)}/{os.getpid()}"
        records = open_records(settings.server.database_read_url)
        events = EventJobs(
            settings, run_directory, holder=holder, log=log, clock=clock, on_fault=on_fault
        )
    except (StoreError, SecretUnreadable) as refused:
        return refuse_start(refused)
    caller = AuthorityCaller(partial(sockets.connect, run_directory))
    loop = JobLoop(
        _jobs(records, caller, log),
        caller,
        holder=holder,
        clock=clock,
        on_fault=on_fault,
    )
    events.start()
    status.ready()
    while not stopping.wait(TICK_SECONDS):
        loop.tick()
    events.stop()
    caller.close()
    records.close()
    return 0


def _node(settings: Settings) -> str:
    """What no other node that shares the database is called."""
    if is_postgres(settings.server.database_url):
        return node_name(settings.server.data_dir)
    return socket.gethostname()


def _jobs(records: SqlRecords, caller: AuthorityCaller, log: Log) -> list[Job]:
    def on_sealed(checkpoint: Checkpoint) -> None:
        log.debug("audit_sealed", number=checkpoint.number, key=checkpoint.key_id)

    return [CheckpointJob(records, caller, on_sealed=on_sealed), PurgeJob(caller)]


@dataclass(slots=True)
class _Stop:
    """SIGTERM ends the wait between two ticks at once."""

    asked: bool = False
    read_end: int = -1

    def __post_init__(self) -> None:
        self.read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def note(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> bool:
        """Whether it was asked to stop, after at most that long."""
        if not self.asked:
            with selectors.DefaultSelector() as selector:
                selector.register(self.read_end, selectors.EVENT_READ)
                selector.select(seconds)
        return self.asked
