"""Kills one process of a server's tree without warning, and measures how soon it serves again.

Only processes of a tree that this program started are killed: through a pidfd, after
making sure that the process still is the tree's.
"""

from __future__ import annotations

import http.client
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.load import Applicant, Request
from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.server import RunningServer

POLL_SECONDS = 0.02
ORPHAN_SECONDS = 10.0
WHOLE_SECONDS = 30.0
SERVED_SECONDS = 60.0


class Kind(StrEnum):
    """Who is killed."""

    SUPERVISOR = "supervisor"
    AUTHORITY = "authority"
    WORKER = "worker"
    JOBS = "jobs"
    BACKEND = "database backend"
    """A process of PostgreSQL that serves one of the server's connections."""
    DISK = "disk without fsync"
    """Not killed: for a moment every fsync fails, and half the time the authority is killed
    in it. Times are since the disk is whole again.
    """


TREE = (Kind.SUPERVISOR, Kind.AUTHORITY, Kind.WORKER, Kind.JOBS)
"""Those that a server has whatever its database."""


class NotBack(AssertionError):
    """The tree did what it never may: it lingered, stayed away or ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One kill and what followed; times are seconds since the signal.

    Attributes:
        served: a fresh client had seen ``/ready`` say yes and had been enrolled.
        whole: every process of the tree was there again, where that was waited for.
        orphans: the children of a killed supervisor were gone.
    """

    kind: Kind
    served: float
    whole: float | None = None
    orphans: float | None = None


class Probe:
    """A fresh client, made before the trouble so that only the server's time is counted."""

    def __init__(self, applicant: Applicant, device: Device) -> None:
        self._applicant = applicant
        self._request: Request = applicant.enrollment(device)

    def wait_served(self) -> float:
        """Until ready and enrolled; the time of that.

        Raises:
            NotBack: not in ``SERVED_SECONDS``, or the server ended.
        """
        server = self._applicant.server
        deadline = time.monotonic() + SERVED_SECONDS
        while not self._ready():
            _require_running(server)
            if time.monotonic() > deadline:
                raise NotBack(f"not ready within {SERVED_SECONDS} s")
            time.sleep(POLL_SECONDS)
        self._applicant.ask(self._request)
        return time.monotonic()

    def _ready(self) -> bool:
        applicant = self._applicant
        try:
            answer = fetch(applicant.server, "GET", "/ready", context=applicant.context)
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == http.HTTPStatus.OK


class Tree:
    """A running server's processes, to be killed one at a time."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self._full = {kind: len(pids) for kind, pids in server.processes().items()}

    def kill(
        self, kind: Kind, choose: Callable[[Sequence[int]], int], probe: Probe, *, patient: bool
    ) -> Recovery:
        """Kill one process of this kind and wait until the service is back.

        ``patient`` waits for the whole tree as well, so that the next kill finds it whole.

        Raises:
            NotBack: children outlived their supervisor, or something stayed away.
        """
        processes = self.server.processes()
        present = processes.get(kind) or processes[Kind.SUPERVISOR]
        kind = kind if kind in processes else Kind.SUPERVISOR
        orphans = None
        victim = choose(present)
        if kind is Kind.SUPERVISOR:
            children = [pid for key, pids in processes.items() if key != kind for pid in pids]
            began, orphans = self._replace(victim, children)
        else:
            began = self._kill(victim)
        served = probe.wait_served() - began
        whole = self.wait_whole(without=victim) - began if patient else None
        return Recovery(kind=kind, served=served, whole=whole, orphans=orphans)

    def shake(self, kind: Kind, strike: Callable[[], float], probe: Probe) -> Recovery:
        """Hurt by ``strike`` what is beneath the tree, and wait until the service is back.

        Raises:
            NotBack: something stayed away.
        """
        began = strike()
        return Recovery(kind=kind, served=probe.wait_served() - began)

    def kill_one(self, kind: Kind) -> None:
        """Kill one of this kind, if there is one now, and wait for nothing."""
        for pid in self.server.processes().get(kind, [])[:1]:
            with suppress(ProcessLookupError):
                self._kill(pid)

    def wait_whole(self, *, without: int = 0) -> float:
        """Until no process is missing, and this one is gone; the time of that."""
        deadline = time.monotonic() + WHOLE_SECONDS
        while not self._is_whole(without):
            _require_running(self.server)
            if time.monotonic() > deadline:
                raise NotBack(f"{self.server.processes()} instead of {self._full}")
            time.sleep(POLL_SECONDS)
        return time.monotonic()

    def _is_whole(self, without: int) -> bool:
        processes = self.server.processes()
        # One that was killed is listed until the supervisor has heard of it.
        gone = all(without not in pids for pids in processes.values())
        return gone and {kind: len(pids) for kind, pids in processes.items()} == self._full

    def _replace(self, supervisor: int, children: Sequence[int]) -> tuple[float, float]:
        """Kill the supervisor and start another; when, and how long its children lived."""
        handles = []
        try:
            for pid in children:
                with suppress(ProcessLookupError):  # it was about to be restarted itself
                    handles.append(os.pidfd_open(pid))
            began = self._kill(supervisor)
            self.server.process.wait()
            # At once, as an init system would: while the old children may still be ending.
            self.server.launch()
            return began, _wait_gone(handles, began)
        finally:
            for handle in handles:
                os.close(handle)

    def _kill(self, pid: int) -> float:
        handle = os.pidfd_open(pid)
        try:
            if pid not in (each for pids in self.server.processes().values() for each in pids):
                raise NotBack(f"process {pid} is no longer of this tree")
            began = time.monotonic()
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
        return began


def _wait_gone(handles: Sequence[int], began: float) -> float:
    """Seconds from ``began`` until the last of these had ended."""
    waiting = set(handles)
    with closing(select.epoll()) as ended:
        for handle in handles:
            ended.register(handle, select.EPOLLIN)
        while waiting:
            if time.monotonic() - began > ORPHAN_SECONDS:
                raise NotBack(f"{len(waiting)} children outlived their supervisor")
            for handle, _ in ended.poll(POLL_SECONDS):
                ended.unregister(handle)
                waiting.discard(handle)
    return time.monotonic() - began


def _require_running(server: RunningServer) -> None:
    code = server.process.poll()
    if code is not None:
        raise NotBack(f"the server ended by itself with {code}\n{server.log()[-2_000:]}")
