"""The process at the top of the tree: forks, watches, restarts, forwards signals.

It touches no request and holds no key. Children are forked from here, while this
process has no threads and no event loop, so a restart costs milliseconds and memory
is shared. Each child tells its state over a pipe (``status``).

A child whose start is refused exits with ``EXIT_REFUSED`` after saying why; before the
tree was ready once that ends everything, later it is restarted with growing delay. Where
only the database is away (``EXIT_AWAY``) the first start is tried again for a while, too.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from certctl.obs.log import Log
from certctl.obs.metrics.measured import TreeMetrics
from certctl.wiring.process import die_with_parent, share_cores
from certctl.wiring.service_manager import ServiceManager
from certctl.wiring.status import (
    AWAY,
    EXIT_AWAY,
    EXIT_FAILED,
    EXIT_REFUSED,
    READY,
    RELOAD,
    Status,
    refuse_start,
)

# A child that lived this long had started well; its next restart is immediate.
SETTLED_SECONDS = 10.0
RESTART_DELAYS = (0.0, 0.1, 0.3, 0.6, 1.0)
MAX_FAILED_STARTS = 3
KILL_AFTER_SECONDS = 3.0

# How long a first start waits for its database. PostgreSQL that recovers from its log may
# take longer; then whoever started us does so again.
AWAY_SECONDS = 30.0

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run in one child.

    ``stage``: children of a stage start when all of the stage before are ready, and
    stop before it. ``once``: runs to its end and is not restarted.
    """

    name: str
    stage: int
    run: Callable[[Status], int]
    once: bool = False


@dataclass(slots=True, eq=False)
class _Child:
    spec: ChildSpec
    pid: int = 0
    pipe: int = -1
    ready: bool = False
    missed_reload: bool = False
    started: float = 0.0
    failures: int = 0
    failed_starts: int = 0
    restart_at: float | None = None
    away: str = ""
    done: bool = False
    unread: bytearray = field(default_factory=bytearray)


class Supervisor:
    """Runs a tree of children until SIGTERM or SIGINT; ``run`` gives the exit code."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        log: Log,
        grace_s: float,
        manager: ServiceManager | None = None,
        metrics: TreeMetrics | None = None,
        away_s: float = AWAY_SECONDS,
    ) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._log = log
        self._grace_s = grace_s
        self._manager = manager or ServiceManager({})
        self._metrics = metrics or TreeMetrics.unshared()
        self._next_sign = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._pending: set[int] = set()
        self._was_ready = False
        self._away_s = away_s
        self._away_since: float | None = None
        self._exit_code: int | None = None

    def run(self) -> int:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in SIGNALS:
            signal.signal(number, self._note_signal)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._selector.register(wake_read, selectors.EVENT_READ)
        self._start_due()
        while self._exit_code is None:
            for key, _ in self._selector.select(self._wait_seconds()):
                if key.fd == wake_read:
                    os.read(wake_read, 4096)
                else:
                    self._hear(key.data)
            self._act_on_signals()
            if self._exit_code is None:
                self._start_due()
                self._show_life()
        self._manager.stopping()
        self._stop_all()
        signal.set_wakeup_fd(-1)
        return self._exit_code

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._pending.add(number)

    def _act_on_signals(self) -> None:
        pending, self._pending = self._pending, set()
        if signal.SIGCHLD in pending:
            self._reap()
        if signal.SIGHUP in pending:
            self._manager.reloading()
            self._reload_all()
            if self._was_ready:
                self._say_ready()
        if pending & {signal.SIGTERM, signal.SIGINT}:
            self._log.info("stopping")
            self._exit_code = 0

    def _wait_seconds(self) -> float | None:
        due = [child.restart_at for child in self._children if child.restart_at is not None]
        if self._manager.watchdog_s is not None and self._was_ready:
            due.append(self._next_sign)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _start_due(self) -> None:
        """Start every child whose stage is reached and whose delay is over."""
        reached = self._reached_stage()
        now = time.monotonic()
        for child in self._children:
            waiting = child.restart_at is not None and child.restart_at > now
            if child.pid or child.done or waiting or child.spec.stage > reached:
                continue
            self._fork(child)
        everything = all(child.ready or child.spec.once for child in self._children)
        if everything and not self._was_ready:
            self._was_ready = True
            self._log.info("ready")
            self._say_ready()

    def _say_ready(self) -> None:
        workers = sum(child.spec.name.startswith("worker") for child in self._children)
        self._manager.ready(f"serving with {workers} worker{'s' * (workers != 1)}")

    def _show_life(self) -> None:
        """This loop turns, so signals are heard and the dead are restarted."""
        period, now = self._manager.watchdog_s, time.monotonic()
        if period is not None and self._was_ready and now >= self._next_sign:
            self._next_sign = now + period
            self._manager.alive()

    def _reached_stage(self) -> int:
        """Once all were ready, stages restart independently of each other."""
        stages = sorted({child.spec.stage for child in self._children})
        if self._was_ready:
            return stages[-1]
        for stage in stages:
            if not all(c.ready or c.done for c in self._children if c.spec.stage == stage):
                return stage
        return stages[-1]

    def _fork(self, child: _Child) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        # Else the child would write once more what still waits here.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            self._become(child.spec, Status(write_end), parent)
        os.close(write_end)
        child.pid, child.pipe, child.ready = pid, read_end, False
        child.started, child.restart_at = time.monotonic(), None
        child.unread.clear()
        self._selector.register(read_end, selectors.EVENT_READ, child)
        self._metrics.started(child.spec.name)
        if not child.away:
            # One that waits for its database has said so; thirty tries say nothing more.
            self._log.info("process_started", child=child.spec.name, pid=pid)

    def _become(self, spec: ChildSpec, status: Status, parent: int) -> None:
        """In the child: never returns to the supervisor's code."""
        code = EXIT_FAILED
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            self._selector.close()
            for sibling in self._children:
                if sibling.pipe >= 0:
                    os.close(sibling.pipe)
            die_with_parent(parent)
            share_cores()
            code = spec.run(status)
        except BaseException as fault:  # noqa: BLE001 - a child must end here, whatever happens
            self._log.error("process_failed", child=spec.name, exc_info=fault)
        finally:
            # Where they cannot be written, too: this child must never become a supervisor.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)

    def _hear(self, child: _Child) -> None:
        data = os.read(child.pipe, 4096)
        if not data:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1
            return
        child.unread += data
        *words, rest = child.unread.split(b"\n")
        child.unread = bytearray(rest)
        for word in words:
            if word == READY:
                self._became_ready(child)
            elif word == RELOAD:
                self._reload_all(but=child)
            elif word.startswith(AWAY):
                self._is_away(child, word.removeprefix(AWAY).decode(errors="replace"))

    def _became_ready(self, child: _Child) -> None:
        child.ready = True
        self._metrics.is_up(child.spec.name, up=True)
        child.failures = child.failed_starts = 0
        child.away, self._away_since = "", None
        if child.missed_reload and child.pid:
            os.kill(child.pid, signal.SIGHUP)
        child.missed_reload = False

    def _is_away(self, child: _Child, reason: str) -> None:
        """Told once, however often it is tried."""
        if reason != child.away:
            child.away = reason
            self._log.warning("start_waits", child=child.spec.name, problem=reason)

    def _reload_all(self, *, but: _Child | None = None) -> None:
        """Send SIGHUP to every child, ``but`` the one that asked for it."""
        for child in self._children:
            if child is but:
                continue
            if child.pid and child.ready:
                os.kill(child.pid, signal.SIGHUP)
            else:
                # It may have read the files already, and has no handler yet.
                child.missed_reload = True

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, code: int) -> None:
        child.pid = 0
        # Its last words, up to the end of the pipe: the next life gets a pipe of its own,
        # which would be read in place of an old one still registered.
        while child.pipe >= 0:
            self._hear(child)
        was_ready, child.ready = child.ready, False
        self._metrics.is_up(child.spec.name, up=False)
        if child.spec.once:
            child.done = True
            if code != 0:
                self._exit_code = code if code > 0 else EXIT_FAILED
            return
        lived = time.monotonic() - child.started
        child.failures = 0 if lived > SETTLED_SECONDS else child.failures + 1
        if not self._was_ready and not was_ready:
            if code == EXIT_REFUSED:
                self._exit_code = EXIT_REFUSED
                return
            if code == EXIT_AWAY:
                self._wait_for_store(child)
                return
            # Who was killed, as when memory is short, has not failed by itself.
            child.failed_starts += code != -signal.SIGKILL
            if child.failed_starts >= MAX_FAILED_STARTS:
                self._log.error("start_failed", child=child.spec.name, exit_code=code)
                self._exit_code = EXIT_FAILED
                return
        delay = _delay(child)
        child.restart_at = time.monotonic() + delay
        self._log.error(
            "process_ended", child=child.spec.name, exit_code=code, restart_in_seconds=delay
        )

    def _wait_for_store(self, child: _Child) -> None:
        now = time.monotonic()
        self._away_since = self._away_since or now
        if now - self._away_since < self._away_s:
            child.restart_at = now + _delay(child)
        else:
            self._exit_code = refuse_start(f"{child.away} (waited {self._away_s:g} s for it)")

    def _stop_all(self) -> None:
        """Last stage first: no worker outlives its authority's answers."""
        for stage in sorted({child.spec.stage for child in self._children}, reverse=True):
            group = [child for child in self._children if child.spec.stage == stage and child.pid]
            for child in group:
                os.kill(child.pid, signal.SIGTERM)
            self._await_end(group, time.monotonic() + self._grace_s + KILL_AFTER_SECONDS)

    def _await_end(self, group: list[_Child], deadline: float) -> None:
        while any(child.pid for child in group):
            for child in group:
                if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                    child.pid = 0
            if time.monotonic() > deadline:
                for child in group:
                    if child.pid:
                        self._log.error("process_killed", child=child.spec.name)
                        os.kill(child.pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.01)


def _delay(child: _Child) -> float:
    """Seconds until it is started again: longer the oftener it failed."""
    return RESTART_DELAYS[min(max(child.failures - 1, 0), len(RESTART_DELAYS) - 1)]
