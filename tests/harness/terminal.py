"""A terminal with a person's shell in it: lines are typed, and what is shown is read back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

READY = re.compile(r"@@ready (\d+)@@")
MORE = "@@more@@"
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
ROWS, COLUMNS = 50, 160
END_SECONDS = 40.0


@dataclass
class Terminal:
    """bash on a pseudo terminal, in a folder. Use as a context manager.

    ``shown`` is everything since the start, as text without colours.
    """

    directory: Path
    environment: Mapping[str, str]
    shown: str = field(default="", init=False)
    process: subprocess.Popen[bytes] = field(init=False)
    _side: int = field(init=False)

    def __enter__(self) -> Self:
        self._side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        prompts = {"PS1": "@@ready $?@@", "PS2": MORE, "TERM": "xterm", "HISTFILE": ""}
        self.process = subprocess.Popen(
            # A session of its own whose terminal this is, so that Ctrl-C reaches it.
            ["setsid", "--ctty", "--wait", "bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=self.directory,
            env={**self.environment, **prompts},
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        self.until(READY)
        self.type("stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null")
        self.shown = ""
        return self

    def __exit__(self, *_: object) -> None:
        """Ctrl-C and the end of the shell; who does not heed it is killed."""
        try:
            self.interrupt()
            self.send("exit")
            self.process.wait(END_SECONDS)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            with contextlib.suppress(OSError):
                os.killpg(os.tcgetpgrp(self._side), signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        os.close(self._side)

    def type(self, line: str, *, seconds: float = 60.0) -> tuple[str, int | None]:
        """One line: what it showed, and its exit code, None where the shell wants more."""
        self.send(line)
        found: list[re.Match[str]] = []

        def over(text: str) -> bool:
            found[:] = READY.finditer(text)
            return bool(found) or text.endswith(MORE)

        text = self._read_until(over, seconds=seconds)
        if not found:
            return text.removesuffix(MORE), None
        return text[: found[0].start()], int(found[0][1])

    def send(self, line: str) -> None:
        """Type without waiting for anything."""
        os.write(self._side, line.encode() + b"\n")

    def interrupt(self, *, seconds: float = END_SECONDS) -> None:
        """Ctrl-C to what runs, until the shell is there again; nothing where nothing runs."""
        if os.tcgetpgrp(self._side) == self.process.pid:
            return
        os.write(self._side, b"\x03")
        self._read_until(lambda text: READY.search(text) is not None, seconds=seconds)

    def until(self, pattern: re.Pattern[str], *, seconds: float = 60.0) -> str:
        """Wait for something to be shown; gives all that came with it."""
        return self._read_until(lambda text: pattern.search(text) is not None, seconds=seconds)

    def _read_until(self, over: Callable[[str], bool], *, seconds: float) -> str:
        octets, text, deadline = b"", "", time.monotonic() + seconds
        while not over(text):
            left = deadline - time.monotonic()
            assert left > 0, f"{seconds} seconds are over, and this is shown:\n{text}"
            if select.select([self._side], [], [], left)[0]:
                octets += os.read(self._side, 65_536)
                text = ANSI.sub("", octets.decode(errors="replace")).replace("\r\n", "\n")
        self.shown += text
        return text
