"""The jobs that walk over all of the records, in a thread of their own: a walk may take an
hour, and nothing else waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from certctl.authority.caller import AuthorityCaller
from certctl.authority.verify import Proof
from certctl.domain.clock import Clock
from certctl.jobs.audit_verification import AuditVerificationJob, Told
from certctl.jobs.figures import ActivityFiguresJob, InventoryFiguresJob
from certctl.jobs.loop import JobLoop
from certctl.jobs.pace import Pace
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, open_records
from certctl.wiring import sockets
from certctl.wiring.audit_key import PUBLIC_FILE, read_public_keys
from certctl.wiring.audit_trail import verify_store

TICK_SECONDS = 1.0

# A statement of a walk takes milliseconds.
STOP_SECONDS = 3.0


class FigureJobs:
    """Counts and verifies until stopped."""

    def __init__(
        self,
        settings: Settings,
        run_directory: Path,
        *,
        holder: str,
        log: Log,
        clock: Clock,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        """Raises StoreError: the records cannot be read."""
        self._log = log
        self._public = settings.server.data_dir / PUBLIC_FILE
        self._stopping = threading.Event()
        self._caller = AuthorityCaller(partial(sockets.connect, run_directory))
        self._records = open_records(settings.server.database_read_url)
        pace = Pace(self._stopping.wait)
        self._loop = JobLoop(
            [
                ActivityFiguresJob(self._records, self._caller, pace, clock=clock),
                InventoryFiguresJob(self._records, self._caller, pace, clock=clock),
                AuditVerificationJob(
                    self._records,
                    self._caller,
                    pace,
                    verify=partial(self._verify, self._records),
                    clock=clock,
                    on_broken=self._tell_broken,
                ),
            ],
            self._caller,
            holder=holder,
            clock=clock,
            on_fault=on_fault,
        )
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Break off what is under way; it is begun anew after the next start."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            self._loop.tick()
        self._caller.close()
        self._records.close()

    def _verify(self, records: SqlRecords, told: Told) -> Proof:
        return verify_store(records, keys=read_public_keys(self._public), told=told)

    def _tell_broken(self, problem: str) -> None:
        self._log.error("audit_trail_broken", problem=problem)
