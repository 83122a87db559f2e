"""The jobs process: reads the store, writes through the authority, faces no network peer."""

from __future__ import annotations

import os
import selectors
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from certctl.authority.caller import AuthorityCaller
from certctl.authority.commands import Reconciled
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import CrlRecord
from certctl.domain.errors import StoreUnavailable
from certctl.jobs.checkpoint import CheckpointJob
from certctl.jobs.crl import CrlJob, CrlTimes, DeltaCrls
from certctl.jobs.loop import Job, JobLoop
from certctl.jobs.purge import PurgeJob
from certctl.jobs.reconcile import ReconcileJob
from certctl.jobs.retention import RetentionJob
from certctl.jobs.telling import TellingJob
from certctl.obs.log import Log
from certctl.obs.metrics.measured import JobsMetrics
from certctl.settings.schema import Settings
from certctl.settings.secret import SecretUnreadable
from certctl.store import SqlRecords, StoreError, open_records
from certctl.wire.crl import CrlIssuer
from certctl.wiring import sockets
from certctl.wiring.audit_copy import AuditCopy
from certctl.wiring.event_jobs import EventJobs
from certctl.wiring.events import revokers
from certctl.wiring.figure_jobs import FigureJobs
from certctl.wiring.issuer_directory import IssuerDirectory
from certctl.wiring.job_log import tell_failed
from certctl.wiring.metrics import JOBS
from certctl.wiring.pointers import pointers
from certctl.wiring.process import holder_name, keep_freed_memory, name_process
from certctl.wiring.publishing import ca_certificates, crl_issuers
from certctl.wiring.status import Status
from certctl.wiring.tracing import make_tracing

TICK_SECONDS = 1.0


def run(
    settings: Settings,
    run_directory: Path,
    status: Status,
    *,
    log: Log,
    clock: Clock,
    metrics: JobsMetrics,
) -> int:
    """Run until SIGTERM; gives the exit code."""
    name_process("certctl-jobs")
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping = _Stop()
    signal.signal(signal.SIGTERM, stopping.note)
    holder = holder_name()

    def on_fault(job: str, fault: BaseException) -> None:
        tell_failed(log, job, fault, holder=holder)

    tracing = make_tracing(settings, JOBS, counted=metrics.spans, log=log)
    try:
        records = open_records(settings.server.database_read_url)
        issuers = IssuerDirectory(settings, records)
        events = EventJobs(
            settings,
            run_directory,
            holder=holder,
            log=log,
            clock=clock,
            on_fault=on_fault,
            metrics=metrics,
            tracing=tracing,
        )
        figures = FigureJobs(
            settings, run_directory, holder=holder, log=log, clock=clock, on_fault=on_fault
        )
    except (StoreError, StoreUnavailable, SecretUnreadable, OSError) as refused:
        return status.refuse(refused)
    caller = AuthorityCaller(partial(sockets.connect, run_directory))
    crls = _Crls(settings, records, caller, issuers, log=log, clock=clock)
    others = _jobs(settings, records, caller, log=log, clock=clock)
    loop = JobLoop(
        # CRLs first: nothing else here has to be there within seconds.
        [*crls.jobs(), *others],
        caller,
        holder=holder,
        clock=clock,
        on_fault=on_fault,
    )
    events.start()
    figures.start()
    copy = _copy(settings, log)
    status.ready()
    while not stopping.wait(TICK_SECONDS):
        if issuers.look():
            loop.replace([*crls.jobs(), *others])
        loop.tick()
    if copy is not None:
        copy.stop()
    events.stop()
    figures.stop()
    caller.close()
    records.close()
    if tracing is not None:
        tracing.close()
    return 0


def _copy(settings: Settings, log: Log) -> AuditCopy | None:
    if settings.records.copy is None:
        return None
    copy = AuditCopy(settings, settings.records.copy, log)
    signal.signal(signal.SIGHUP, lambda *_: copy.reopen())
    copy.start()
    return copy


def _jobs(
    settings: Settings, records: SqlRecords, caller: AuthorityCaller, *, log: Log, clock: Clock
) -> list[Job]:
    def on_sealed(checkpoint: Checkpoint) -> None:
        log.debug("audit_sealed", number=checkpoint.number, key=checkpoint.key_id)

    def on_reconciled(done: Reconciled) -> None:
        log.warning("intents_reconciled", asked=done.asked, lost=done.lost, told=done.told)

    return [
        CheckpointJob(records, caller, on_sealed=on_sealed),
        PurgeJob(caller),
        ReconcileJob(records, caller, on_reconciled=on_reconciled),
        TellingJob(revokers(settings), records=records, caller=caller, clock=clock),
        RetentionJob(records, caller, settings.records.retention, clock=clock),
    ]


class _Crls:
    """The CRL job of each issuer; those that stay keep what they know."""

    def __init__(
        self,
        settings: Settings,
        records: SqlRecords,
        caller: AuthorityCaller,
        issuers: IssuerDirectory,
        *,
        log: Log,
        clock: Clock,
    ) -> None:
        revocation = settings.revocation
        self._settings = settings
        self._times = CrlTimes(
            interval_us=revocation.crl_interval_s * SECOND_US,
            debounce_us=revocation.crl_debounce_s * SECOND_US,
            validity_us=revocation.crl_validity_s * SECOND_US,
        )
        self._records = records
        self._caller = caller
        self._issuers = issuers
        self._log = log
        self._clock = clock
        self._jobs: dict[str, CrlJob] = {}

    def jobs(self) -> list[Job]:
        """Those of the issuers that there are now."""
        known = crl_issuers(self._settings, ca_certificates(self._issuers))
        self._jobs = {
            issuer_id: self._jobs.get(issuer_id) or self._job(issuer_id, issuer)
            for issuer_id, issuer in known.items()
        }
        for issuer_id, job in self._jobs.items():
            job.divide({each.number: each.url(issuer_id) for each in self._issuers.partitions})
        return [*self._jobs.values()]

    def _job(self, issuer_id: str, issuer: CrlIssuer) -> CrlJob:
        return CrlJob(
            issuer_id,
            issuer,
            self._times,
            records=self._records,
            caller=self._caller,
            delta=_delta(self._settings, issuer_id),
            clock=self._clock,
            on_published=self._told,
        )

    def _told(self, crl: CrlRecord, took_us: int) -> None:
        self._log.info(
            "crl_published",
            scope=crl.scope,
            number=crl.number,
            octets=crl.size,
            milliseconds=took_us // 1_000,
        )


def _delta(settings: Settings, issuer_id: str) -> DeltaCrls | None:
    interval_s = settings.revocation.crl_delta_s
    if interval_s is None:
        return None
    url = pointers(settings, issuer_id).freshest_url
    return DeltaCrls(url=url, interval_us=interval_s * SECOND_US) if url else None


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
