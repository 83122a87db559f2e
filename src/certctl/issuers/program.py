"""Runs an operator's program: no shell, clean environment, bounded in time and output.

What it writes is read as octets and never believed. A program that overstays is killed
with everything it has started; one that has closed its output early is still waited for,
because its exit code is its word. Nor does it outlive its limit when this process is killed.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

MAX_OUTPUT = 256 * 1024
"""Octets of standard output; a certificate has some thousand."""

MAX_COMPLAINT = 4 * 1024
"""Octets of standard error that are kept; the rest is read and dropped."""

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
"""All that a program finds in its environment: no secret, no setting of the server."""

GUARD_SECONDS = 1
"""What the guard waits beyond the time limit; far less than an intent's slack."""

_CHUNK = 64 * 1024
# What is killed ends at once, unless the kernel itself holds it (a dead network disk).
_END_SECONDS = 5.0


class NotRun(Exception):
    """The program did not run at all; the text is the system's word."""


class Overstayed(Exception):
    """It was killed: too late (``time``) or too much output (``output``)."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a program ended: its exit code (128 and more: killed by a signal) and words."""

    code: int
    output: bytes
    complaint: bytes


@dataclass(slots=True)
class _Streams:
    """What is still to be written, and what was read so far."""

    rest: memoryview
    output: bytearray = field(default_factory=bytearray)
    complaint: bytearray = field(default_factory=bytearray)


def run_program(path: Path, given: bytes, *, seconds: float) -> Ran:
    """Run a program without arguments; ``given`` is its standard input.

    Raises:
        NotRun: there is none, or it may not be run. Nothing was given to it.
        Overstayed: it was killed, with all processes of its session.
    """
    guard = shutil.which("timeout", path=ENVIRONMENT["PATH"])
    if guard is None:
        raise NotRun("the command timeout (coreutils) is missing")
    if not os.access(path, os.X_OK):
        raise NotRun("it is not there, or not executable")
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own program, no shell
            # The guard ends it where we cannot: when this process is killed before it.
            [guard, "-s", "KILL", str(math.ceil(seconds) + GUARD_SECONDS), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            umask=0o077,
        )
    except OSError as err:
        raise NotRun(err.strerror or str(err)) from err
    streams = _Streams(memoryview(given))
    try:
        _exchange(process, streams, deadline)
    finally:
        code = _end(process)
    return Ran(code=code, output=bytes(streams.output), complaint=bytes(streams.complaint))


def _exchange(process: subprocess.Popen[bytes], streams: _Streams, deadline: float) -> None:
    """Until the program itself has ended; others may hold its output open for ever."""
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            for pipe in _pipes(process):
                os.set_blocking(pipe.fileno(), False)
                writes = pipe is process.stdin
                selector.register(
                    pipe.fileno(), selectors.EVENT_WRITE if writes else selectors.EVENT_READ, pipe
                )
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Overstayed("time")
                ready = selector.select(left)
                for key, _ in ready:
                    if key.data is not None and not _attend(process, key.data, streams):
                        selector.unregister(key.fd)
                        key.data.close()
                if len(ready) == 1 and ready[0][0].fd == ended:
                    # Nothing is left to be read of what it has written.
                    return
                if any(key.fd == ended for key, _ in ready) and process.stdin is not None:
                    _forget(selector, process.stdin)
    finally:
        os.close(ended)


def _forget(selector: selectors.BaseSelector, pipe: IO[bytes]) -> None:
    """Nobody reads it any more."""
    if not pipe.closed:
        selector.unregister(pipe.fileno())
        pipe.close()


def _attend(process: subprocess.Popen[bytes], pipe: IO[bytes], streams: _Streams) -> bool:
    """Move what can be moved; False once the pipe is done with."""
    if pipe is process.stdin:
        try:
            written = os.write(pipe.fileno(), streams.rest[:_CHUNK])
        except BrokenPipeError:
            # It does not read what it is given: that is its own affair.
            return False
        streams.rest = streams.rest[written:]
        return bool(streams.rest)
    data = os.read(pipe.fileno(), _CHUNK)
    if pipe is process.stderr:
        streams.complaint += data[: MAX_COMPLAINT - len(streams.complaint)]
        return bool(data)
    streams.output += data
    if len(streams.output) > MAX_OUTPUT:
        raise Overstayed("output")
    return bool(data)


def _end(process: subprocess.Popen[bytes]) -> int:
    """Nothing of its session is left, whichever way it ended; gives its exit code.

    It is not waited for before: until then nobody else can get its number.
    """
    # All gone, or what is left belongs to another user (a set-user-ID program).
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in _pipes(process):
        pipe.close()
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL


def _pipes(process: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    return [each for each in (process.stdin, process.stdout, process.stderr) if each is not None]
