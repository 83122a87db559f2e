"""The good client beside an attack, and what every refusal looks like from outside."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.device import Device
from tests.harness.http import Response
from tests.harness.raw import Answer
from tests.harness.server import PROGRAM, RunningServer, clean_environment

ENROLL = "/.well-known/est/demo/simpleenroll"
REENROLL = "/.well-known/est/demo/simplereenroll"
CACERTS = "/.well-known/est/demo/cacerts"
WAIT_SECONDS = 20.0
FEWEST = 5

_REQUEST_ID = re.compile(r"request-id: ([0-9a-f]{16})")
_NEVER_SHOWN = ("Traceback", 'File "', "certctl.", ".py", "sqlite")


def assert_refused(answer: Answer | Response, status: int, *words: str) -> None:
    """Status, three lines and the request id, in text that shows nothing of our inside."""
    assert answer.status == status, answer.text
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert len(lines) == 4, answer.text
    found = _REQUEST_ID.fullmatch(lines[3])
    assert found, answer.text
    assert headers["x-request-id"] == found[1]
    _assert_words(answer.text, words)


def assert_refused_by_http(answer: Answer, status: int, *words: str) -> None:
    """The same for answers given before any application saw the request: they close."""
    assert_refused(answer, status, *words)
    assert answer.closes


def assert_logged(server: RunningServer, source: str, reason: str, status: int = 0) -> None:
    """The edge has written one line of what it refused to this source by itself."""
    lines = edge_lines(server, source)
    assert [(each["reason"], each["status"]) for each in lines] == [(reason, status)]


def assert_logged_as(server: RunningServer, source: str, answer: Answer) -> None:
    """The edge's line about this source has the request id that the answer showed."""
    (line,) = edge_lines(server, source)
    assert line["request_id"] == answer.headers["x-request-id"]


def edge_lines(
    server: RunningServer, source: str, *, seconds: float = WAIT_SECONDS
) -> list[dict[str, object]]:
    """The edge's log lines about this source, once there are any."""
    deadline = time.monotonic() + seconds
    while True:
        lines = [each for each in server.log_events("edge_refused") if each["source"] == source]
        if lines:
            return lines
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.02)


def _assert_words(text: str, words: tuple[str, ...]) -> None:
    for word in words:
        assert word in text
    for word in _NEVER_SHOWN:
        assert word not in text
    assert text.replace("\n", "").isprintable()


def first_device_enrolled(server: RunningServer) -> None:
    """Until the quick start has done all it does by itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (server.directory / "demo" / "ready").exists():
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.02)


def enrollment_password(server: RunningServer) -> str:
    return (server.directory / "demo" / "enrollment-password").read_text().strip()


@dataclass
class GoodClient:
    """Enrolls new devices one after the other, in a thread, for as long as it is entered.

    Each must be answered with a certificate within the client's own time limit; at the
    end at least ``FEWEST`` were, and each one is counted in ``enrolled``.
    """

    server: RunningServer
    password: str
    directory: Path
    enrolled: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._thread.join(WAIT_SECONDS * 2)
        if error is None:
            assert not self._thread.is_alive()
            assert not self.faults, self.faults
            assert self.enrolled >= FEWEST

    def _run(self) -> None:
        number = 0
        while not self.faults and not (self._enough.is_set() and number >= FEWEST):
            number += 1
            began = time.monotonic()
            device = Device(self.directory, common_name=f"good-{number}")
            try:
                response = device.enroll(self.server, ENROLL, password=self.password)
            except (OSError, ValueError) as err:
                self.faults.append(repr(err))
                return
            if response.status != 200:
                self.faults.append(response.text)
                return
            self.enrolled += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            self._enough.wait(0.02)


def refuses_to_start(server: RunningServer, *, code: int = 2) -> str:
    """Starting ends by itself with this code and a text for the operator, which is given."""
    done = subprocess.run(
        [PROGRAM, *server.arguments],
        env=clean_environment(server.environment),
        cwd=server.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    assert "cannot start" in text or "remedy:" in text
    assert "Traceback" not in text
    assert "PRIVATE KEY" not in text
    return text
