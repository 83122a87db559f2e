"""Kills processes of a private PostgreSQL that serve the server's connections."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.harness.postgres import PrivatePostgres

OURS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = %s"
UP_SECONDS = 60.0
PAUSE_SECONDS = 0.05
TRIES = 20


def kill_backend(
    postgres: PrivatePostgres,
    url: str,
    choose: Callable[[Sequence[int]], int],
    number: signal.Signals,
) -> float:
    """Signal one connection's process; when that was.

    After SIGKILL PostgreSQL ends all its processes and recovers from its log, as after a
    crash of the machine; SIGTERM ends this one connection only.
    """
    postmaster = int((postgres.data / "postmaster.pid").read_text().split()[0])
    for _ in range(TRIES):
        # A connection that has just ended by itself is none to choose.
        with suppress(ProcessLookupError, FileNotFoundError):
            return _kill(choose(_backends(postgres, url)), postmaster, number)
    raise AssertionError(f"{TRIES} connections ended before they could be killed")


def _kill(pid: int, postmaster: int, number: signal.Signals) -> float:
    handle = os.pidfd_open(pid)
    try:
        if _parent(pid) != postmaster:
            raise AssertionError(f"process {pid} is not of this PostgreSQL")
        began = time.monotonic()
        signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)
    return began


def _backends(postgres: PrivatePostgres, url: str) -> list[int]:
    name = url.rpartition("/")[2]
    deadline = time.monotonic() + UP_SECONDS
    while True:
        try:
            if found := [row[0] for row in postgres.execute(OURS, None, name)]:
                return found
        except psycopg.OperationalError:
            pass  # it still recovers from the last one
        if time.monotonic() > deadline:
            raise AssertionError(f"nobody is connected to {name}\n{postgres.log()[-2_000:]}")
        time.sleep(PAUSE_SECONDS)


def _parent(pid: int) -> int:
    # The name, in parentheses, may hold anything.
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[1])
