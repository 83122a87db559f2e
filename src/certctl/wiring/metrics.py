"""The numbers of one server, and the answer to ``/metrics`` out of them."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from certctl import __version__
from certctl.domain.clock import Clock
from certctl.domain.errors import StoreUnavailable
from certctl.domain.profiles import profile_name
from certctl.obs.log import Log
from certctl.obs.metrics import families
from certctl.obs.metrics.measured import layout
from certctl.obs.metrics.numbers import Numbers, Totals
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, StoreError, open_records
from certctl.tls.listener import EventKind
from certctl.web.answer_labels import every_answer
from certctl.web.counted_routes import COUNTED_ROUTES
from certctl.wiring.metrics_found import Finds, FromFiles, from_records, merged

SUPERVISOR, AUTHORITY, JOBS = "supervisor", "authority", "jobs"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def worker_name(number: int) -> str:
    return f"worker-{number}"


def make_numbers(settings: Settings) -> Numbers:
    """Before the supervisor forks; every series that there will be is known here."""
    workers = [worker_name(each) for each in range(1, settings.server.workers + 1)]
    children = [AUTHORITY, JOBS, *workers]
    series = layout(
        profiles=[profile_name(each.profile.path_id) for each in settings.est.profiles],
        answers=every_answer(),
        edge_kinds=[each.value for each in EventKind],
        local=[each.id for each in settings.issuers if each.is_local],
        outside=[each.id for each in settings.issuers if not each.is_local],
        channels=settings.events.channel_names(),
        processes=children,
        routes=COUNTED_ROUTES,
    )
    return Numbers(series, [SUPERVISOR, *children])


class Exposition:
    """The text of ``/metrics``, made in a thread of its own; who asks meanwhile gets the same."""

    def __init__(
        self,
        settings: Settings,
        numbers: Numbers,
        *,
        responders: Mapping[str, bytes],
        connected: Callable[[], bool],
        clock: Clock,
        log: Log,
    ) -> None:
        """``responders`` as ``FromFiles`` wants them; ``connected``: the authority is there."""
        self._settings = settings
        self._numbers = numbers
        self._connected = connected
        self._log = log
        self._files = FromFiles(settings, responders, clock)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._records: SqlRecords | None = None
        self._under_way: asyncio.Future[bytes] | None = None

    async def __call__(self) -> bytes:
        if self._under_way is None:
            loop = asyncio.get_running_loop()
            self._under_way = loop.run_in_executor(self._thread, self._text)
            self._under_way.add_done_callback(self._done)
        return await asyncio.shield(self._under_way)

    def close(self) -> None:
        self._thread.shutdown()
        if self._records is not None:
            self._records.close()

    def _done(self, under_way: asyncio.Future[bytes]) -> None:
        self._under_way = None
        fault = None if under_way.cancelled() else under_way.exception()
        if fault is not None:
            # Here, because whoever asked may have left. The answer is 500.
            self._log.error("metrics_failed", exc_info=fault)

    def _text(self) -> bytes:
        # The library is loaded by who needs it: a worker that is never asked does not pay it.
        from certctl.obs.metrics.text import text  # noqa: PLC0415

        totals = self._numbers.totals()
        found = self._of_the_node(totals)
        found.update(self._files.found())
        try:
            if self._records is None:
                self._records = open_records(self._settings.server.database_read_url)
            found = merged(found, from_records(self._records, self._settings))
        except (StoreUnavailable, StoreError):
            found[families.STORE_UP] = {(): 0}
        return text(totals, found)

    def _of_the_node(self, totals: Totals) -> Finds:
        from OpenSSL.SSL import OPENSSL_VERSION, OpenSSL_version  # noqa: PLC0415 - loaded anyway

        built = (__version__, platform.python_version(), OpenSSL_version(OPENSSL_VERSION).decode())
        ready = sum(
            up
            for (process,), (up,) in totals.series(families.PROCESS_UP)
            if process not in (AUTHORITY, JOBS)
        )
        return {
            families.STORE_UP: {(): 1},
            families.AUTHORITY_UP: {(): int(self._connected())},
            families.WORKERS: {(): ready},
            families.WORKERS_WANTED: {(): self._settings.server.workers},
            families.BUILD_INFO: {built: 1},
        }
