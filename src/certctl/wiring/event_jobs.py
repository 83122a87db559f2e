"""The jobs of events, in a thread of their own: a receiver that hangs must not keep the
audit trail from being sealed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certctl.authority.caller import AuthorityCaller
from certctl.domain.clock import Clock
from certctl.domain.events import Delivery, EventType
from certctl.jobs.deliver import DeliveryJob
from certctl.jobs.expiry import ExpiryJob
from certctl.jobs.loop import Job, JobLoop
from certctl.obs.log import Log
from certctl.obs.metrics.measured import JobsMetrics
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, open_records
from certctl.wiring import sockets
from certctl.wiring.expiring import expiring

if TYPE_CHECKING:
    from certctl.obs.tracing.spans import Tracing

TICK_SECONDS = 1.0

# Breaking off takes milliseconds, unless the authority is away.
STOP_SECONDS = 3.0

NOTICES = frozenset(
    {EventType.CERT_EXPIRING_SOON, EventType.CA_EXPIRING_SOON, EventType.TRUST_EXPIRING_SOON}
)


class EventJobs:
    """Delivers events and gives notices until stopped; does nothing without channels."""

    def __init__(
        self,
        settings: Settings,
        run_directory: Path,
        *,
        holder: str,
        log: Log,
        clock: Clock,
        on_fault: Callable[[str, BaseException], None],
        metrics: JobsMetrics,
        tracing: Tracing | None = None,
    ) -> None:
        """Open the channels; nothing is sent before ``start``.

        Raises:
            SecretUnreadable: the file of a channel's secret cannot be used.
            StoreError: the records cannot be read.
        """
        self._settings = settings
        self._holder = holder
        self._log = log
        self._clock = clock
        self._on_fault = on_fault
        self._stopping = threading.Event()
        self._caller = AuthorityCaller(partial(sockets.connect, run_directory))
        self._delivery: DeliveryJob | None = None
        self._thread: threading.Thread | None = None
        if settings.events.channel_names():
            from certctl.wiring.channels import open_channels  # noqa: PLC0415 - HTTP and SMTP

            records = open_records(settings.server.database_read_url)
            channels = open_channels(settings.events, clock)
            if tracing is not None:
                from certctl.wiring.traced_channel import TracedChannel  # noqa: PLC0415 - the SDK

                channels = [TracedChannel(each, tracing) for each in channels]
            self._delivery = DeliveryJob(
                records,
                self._caller,
                channels,
                clock=clock,
                random=random.SystemRandom().random,
                on_dead=self._tell_dead,
                on_fault=on_fault,
                metrics=metrics,
            )
            self._thread = threading.Thread(
                target=self._run, args=(records, self._delivery), name="events", daemon=True
            )

    def start(self) -> None:
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """Break off what is under way; it is attempted again after the next start."""
        self._stopping.set()
        if self._delivery is not None and self._thread is not None:
            self._delivery.stop()
            self._thread.join(STOP_SECONDS)

    def _run(self, records: SqlRecords, delivery: DeliveryJob) -> None:
        jobs: list[Job] = [delivery]
        if NOTICES & self._settings.events.wanted().keys():
            jobs.append(
                ExpiryJob(
                    records,
                    self._caller,
                    days=self._settings.events.notice_days,
                    others=lambda: expiring(self._settings, records, self._log),
                    clock=self._clock,
                )
            )
        loop = JobLoop(
            jobs, self._caller, holder=self._holder, clock=self._clock, on_fault=self._on_fault
        )
        while not self._stopping.wait(TICK_SECONDS):
            loop.tick()
        delivery.close()
        self._caller.close()
        records.close()

    def _tell_dead(self, delivery: Delivery) -> None:
        self._log.warning(
            "event_dead",
            channel=delivery.channel,
            event_id=delivery.event_id,
            type=delivery.type.value,
            problem=delivery.error,
        )
