"""The supervisor alone, over small children that end, dawdle or refuse on purpose."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_SECONDS = 30.0
RESTARTS = 300

PATIENCE_SECONDS = 1.5

PROGRAM = """
import os, pathlib, random, signal, sys, time
from certctl.obs.log import Level, make_log
from certctl.wiring.clock import system_clock
from certctl.store import StoreAway
from certctl.wiring.supervisor import ChildSpec, Supervisor

here = pathlib.Path(sys.argv[1])

def restless(status):
    status.ready()
    time.sleep(random.Random(time.time_ns()).random() / 100)
    return 1

def listening(status, name):
    signal.signal(signal.SIGHUP, lambda *_: (here / name).touch())
    status.ready()
    while True:
        signal.pause()

def prompt(status):
    listening(status, "prompt-heard")

def dawdling(status):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    (here / "dawdling").touch()
    while not (here / "go").exists():
        time.sleep(0.005)
    listening(status, "dawdling-heard")

def refused(status):
    return 2

def killed(status):
    with (here / "lives").open("a") as lives:
        lives.write("x")
        lives.flush()
        if lives.tell() < 5:
            os.kill(os.getpid(), signal.SIGKILL)
    listening(status, "killed-heard")

def away(status):
    return status.refuse(StoreAway("the database", note="no answer\\nat all"))

def late(status):
    with (here / "tries").open("a") as tries:
        tries.write("x")
        tries.flush()
        if tries.tell() < 4:
            return away(status)
    listening(status, "late-heard")

def failing(status):
    raise RuntimeError("broken on purpose")

log = make_log("supervisor", level=Level.INFO, text=False, clock=system_clock)
children = [
    ChildSpec(name=f"{name}-{number}", stage=0, run=globals()[name])
    for number, name in enumerate(sys.argv[3:])
]
sys.exit(Supervisor(children, log=log, grace_s=1.0, away_s=float(sys.argv[2])).run())
"""


def test_children_that_end_together_are_all_restarted_and_the_supervisor_lives(
    tmp_path: Path,
) -> None:
    with _supervisor(tmp_path, *["restless"] * 6) as (process, log):
        _wait(process, lambda: log.read_text().count("process_started") > RESTARTS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0


def test_sighup_reaches_a_child_that_was_still_starting(tmp_path: Path) -> None:
    with _supervisor(tmp_path, "prompt", "dawdling") as (process, log):
        _wait(process, (tmp_path / "dawdling").exists)
        _wait(process, lambda: "process_started" in log.read_text())
        # Sent until the prompt child has it: it may not have been ready the first time.
        while not (tmp_path / "prompt-heard").exists():
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        assert not (tmp_path / "dawdling-heard").exists()
        (tmp_path / "go").touch()
        _wait(process, (tmp_path / "dawdling-heard").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0


def test_a_start_that_is_refused_ends_everything_with_its_code(tmp_path: Path) -> None:
    with _supervisor(tmp_path, "prompt", "refused") as (process, _):
        assert process.wait(WAIT_SECONDS) == 2


def test_a_child_that_cannot_start_is_given_up_and_its_fault_is_told(tmp_path: Path) -> None:
    with _supervisor(tmp_path, "failing") as (process, log):
        assert process.wait(WAIT_SECONDS) == 1
        events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["event"] for each in events if each["level"] == "error"] == [
        *["process_failed", "process_ended"] * 2,
        "process_failed",
        "start_failed",
    ]
    assert any("broken on purpose" in str(each) for each in events)


def test_a_child_that_others_kill_while_it_starts_is_not_given_up(tmp_path: Path) -> None:
    """As the kernel does when memory is short: that says nothing about its start."""
    with _supervisor(tmp_path, "killed") as (process, log):
        _wait(process, lambda: '"ready"' in log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
    assert (tmp_path / "lives").read_text() == "x" * 5


def test_a_start_whose_database_is_away_is_tried_again_and_told_once(tmp_path: Path) -> None:
    with _supervisor(tmp_path, "prompt", "late") as (process, log):
        _wait(process, lambda: '"ready"' in log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
        events = [json.loads(line) for line in log.read_text().splitlines()]
    assert (tmp_path / "tries").read_text() == "x" * 4
    told = [each for each in events if each["event"] == "start_waits"]
    assert [(each["child"], each["problem"]) for each in told] == [
        ("late-1", "the database cannot be opened: no answer at all")
    ]
    assert not [each for each in events if each["level"] == "error"]
    # Its first try alone, not each of the four.
    started = [each["child"] for each in events if each["event"] == "process_started"]
    assert sorted(started) == ["late-1", "prompt-0"]


def test_a_start_whose_database_stays_away_is_given_up_with_the_reason(tmp_path: Path) -> None:
    with _supervisor(tmp_path, "prompt", "away") as (process, log):
        assert process.wait(WAIT_SECONDS) == 2
        *told, last = log.read_text().splitlines()
    assert last == (
        "certctl-server cannot start: the database cannot be opened: no answer at all"
        f" (waited {PATIENCE_SECONDS} s for it)"
    )
    assert sum("start_waits" in each for each in told) == 1


@contextmanager
def _supervisor(directory: Path, *children: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    path = directory / "log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(directory), str(PATIENCE_SECONDS), *children],
            stdout=log,
            stderr=log,
        )
    try:
        yield process, path
    finally:
        # Its children end with it.
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert process.poll() is None, "the supervisor ended"
        assert time.monotonic() < deadline
        time.sleep(0.01)
