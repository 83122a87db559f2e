"""Carries bulk revocations of the API out, each in a thread of its own beside the event loop.

Once begun, one goes on to its end whether its client waits or not. It ends half-way only
with the server or when the authority cannot be reached; what was revoked then stays
revoked, and the same request again goes on with the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.authority.commands import (
    BeginBulkRevoke,
    BulkRevokeBegun,
    BulkRevokeFinished,
    Command,
    CommandResult,
    FinishBulkRevoke,
    RevokeSlice,
    SliceRevoked,
)
from certctl.domain.bulk_revocation import BulkTotals, RevocationCriteria
from certctl.domain.clock import Clock
from certctl.domain.errors import Conflict, Failure, InternalError, StoreUnavailable
from certctl.domain.ids import NewId
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.ports import Records
from certctl.domain.revocation import RevocationReason
from certctl.obs.log import Log
from certctl.web.api.callers import Caller

MOST_AT_ONCE = 2
"""Of one worker: each holds a thread and a connection to the records."""

Result = TypeVar("Result", bound=CommandResult)


class Execute(Protocol):
    async def __call__(
        self, command: Command, *, bearer: str, origin: Origin, once: Once | None = None
    ) -> CommandResult: ...


class Interrupted(Exception):
    """Ended half-way: ``operation`` has revoked ``revoked`` so far."""

    def __init__(self, operation: str, revoked: int) -> None:
        super().__init__(operation, revoked)
        self.operation = operation
        self.revoked = revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to revoke, and for whom; ``once`` makes it the same as one before."""

    criteria: RevocationCriteria
    reason: RevocationReason
    caller: Caller
    once: Once | None


class BulkRevocations:
    """Use from one event loop; ``stop`` ends what runs, between two slices."""

    def __init__(
        self,
        execute: Execute,
        open_records: Callable[[], Records],
        *,
        new_id: NewId,
        clock: Clock,
        log: Log,
    ) -> None:
        self._execute = execute
        self._open_records = open_records
        self._new_id = new_id
        self._clock = clock
        self._log = log
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="api-bulk")
        self._running: set[asyncio.Future[tuple[str, BulkTotals]]] = set()
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self._threads.shutdown(wait=False)

    async def revoke(self, wish: Wish) -> tuple[str, BulkTotals]:
        """The operation's id, and what came of it.

        Raises:
            Interrupted: it ended half-way.
            Failure: it was refused, and nothing is revoked.
        """
        if len(self._running) >= MOST_AT_ONCE or self._stopping.is_set():
            raise StoreUnavailable("bulk revocations")
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, self._run, wish, loop)
        self._running.add(running)
        running.add_done_callback(self._done)
        # Shielded: a client that leaves does not end what has begun.
        return await asyncio.shield(running)

    def _done(self, running: asyncio.Future[tuple[str, BulkTotals]]) -> None:
        self._running.discard(running)
        fault = running.exception()
        if isinstance(fault, Interrupted):
            self._log.error(
                "bulk_revocation_interrupted", operation=fault.operation, revoked=fault.revoked
            )

    def _run(self, wish: Wish, loop: asyncio.AbstractEventLoop) -> tuple[str, BulkTotals]:
        records = self._open_records()
        try:
            return _Run(wish, self._new_id(), records, self._clock(), self._doing(wish, loop)).run()
        finally:
            records.close()

    def _doing(
        self, wish: Wish, loop: asyncio.AbstractEventLoop
    ) -> Callable[[Command, Once | None], CommandResult]:
        """The authority, for a thread that waits for it."""

        def do(command: Command, once: Once | None) -> CommandResult:
            if self._stopping.is_set():
                raise StoreUnavailable("server")
            caller = wish.caller
            asked = self._execute(command, bearer=caller.bearer, origin=caller.origin, once=once)
            return asyncio.run_coroutine_threadsafe(asked, loop).result()

        return do


class _Run:
    """One bulk revocation, in its thread."""

    def __init__(
        self,
        wish: Wish,
        operation: str,
        records: Records,
        now_us: int,
        do: Callable[[Command, Once | None], CommandResult],
    ) -> None:
        self._wish = wish
        self._operation = operation
        self._do = do
        self._bulk = BulkRevocation(
            wish.criteria,
            wish.reason,
            actor=wish.caller.actor,
            operation=operation,
            records=records,
            now_us=now_us,
        )

    def run(self) -> tuple[str, BulkTotals]:
        commands = self._bulk.commands()
        begun = _expect(self._do(next(commands), self._wish.once), BulkRevokeBegun)
        if begun.operation != self._operation:
            # Asked before: as it was answered, or, where that was cut off, on with the rest.
            self._operation = begun.operation
            known = self._finished(None)
            if known is not None:
                return self._operation, known
        try:
            for command in commands:
                self._bulk.take(_expect(self._do(self._named(command), None), SliceRevoked))
            totals = self._bulk.totals
            if self._wish.once is not None:
                totals = self._finished(totals) or totals
        except Failure as failure:
            raise Interrupted(self._operation, self._bulk.totals.total_revoked) from failure
        return self._operation, totals

    def _named(self, command: BeginBulkRevoke | RevokeSlice) -> RevokeSlice:
        """A slice of this operation, which may be an earlier one that goes on."""
        slice_ = _expect(command, RevokeSlice)
        return RevokeSlice(
            operation=self._operation,
            criteria=slice_.criteria,
            certificate_ids=slice_.certificate_ids,
            reason=slice_.reason,
            actor=slice_.actor,
        )

    def _finished(self, totals: BulkTotals | None) -> BulkTotals | None:
        """Keep the totals for the same request again, or ask for those that were kept."""
        once = self._wish.once
        if once is None:
            return None
        command = FinishBulkRevoke(
            operation=self._operation, totals=totals, actor=self._wish.caller.actor
        )
        last = Once(key=hashlib.sha256(b"finished\0" + once.key).digest(), request=once.request)
        try:
            return _expect(self._do(command, last), BulkRevokeFinished).totals
        except Conflict:
            return None


Kind = TypeVar("Kind")


def _expect(result: object, answer: type[Kind]) -> Kind:
    if not isinstance(result, answer):
        raise InternalError
    return result
