"""Starts and stops what is measured: our server, and the bare C server beside it.

Ours is started as an operator tries it out, by ``certctl-server quickstart``,
with everything on that is on by default: authentication, audit, durable store.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from bench import credentials, processes
from bench.build import Programs
from bench.errors import BenchError

READY_SECONDS = 60
STOP_SECONDS = 30
POLL_SECONDS = 0.002
LOG_TAIL = 2000


@dataclass(slots=True, kw_only=True)
class Server:
    """A running server: its process tree and its port on loopback."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def pids(self) -> list[int]:
        return processes.tree(self.process.pid)

    def pss(self) -> int:
        """Proportional set size of the whole tree in bytes."""
        return processes.total_pss(self.process.pid)

    def stop(self) -> None:
        if not _end(self.process):
            raise BenchError(f"did not stop in {STOP_SECONDS} s:\n{_tail(self.log)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(slots=True, kw_only=True)
class Certctl(Server):
    """Our server with what its quick start wrote down."""

    directory: Path
    host: str
    ready_seconds: float
    """From starting the process to the file that says it serves."""

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def authorization(self) -> str:
        """The header line of HTTP Basic."""
        password = (self.directory / "enrollment-password").read_text().strip()
        return "Authorization: Basic " + base64.b64encode(f"bench:{password}".encode()).decode()

    def stop(self) -> None:
        Server.stop(self)
        if self.process.returncode != 0:
            raise BenchError(f"ended with {self.process.returncode}:\n{_tail(self.log)}")


def start_certctl(
    command: Path,
    directory: Path,
    *,
    workers: int,
    cpus: list[int] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Certctl:
    """Our server on a free port, its store in the directory; returns when it serves."""
    directory.mkdir(parents=True, exist_ok=True)
    port, log, ready = free_port(), directory.with_suffix(".log"), directory / "ready"
    arguments: list[str | Path] = [command, "quickstart", "--dir", directory, "--port", str(port)]
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*processes.pinned(cpus), *arguments],
            env=os.environ | {"CERTCTL_WORKERS": str(workers)} | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    while (state := _ready(ready)) is None:
        if process.poll() is not None or time.monotonic() > began + READY_SECONDS:
            _end(process)
            raise BenchError(f"{command} did not become ready:\n{_tail(log)}")
        time.sleep(POLL_SECONDS)
    return Certctl(
        process=process,
        port=port,
        log=log,
        directory=directory,
        host=urlsplit(state["url"]).hostname or "localhost",
        ready_seconds=time.monotonic() - began,
    )


def start_bare(
    programs: Programs,
    folder: Path,
    *,
    workers: int,
    ask_for_certificate: bool = False,
    cpus: list[int] | None = None,
) -> Server:
    """The bare C server on a free port."""
    certificate, key = credentials.server_files(folder)
    port, log = free_port(), folder / "bare-server.log"
    arguments: list[str | Path] = [programs.bare_server, "-p", str(port), "-w", str(workers)]
    arguments += ["-c", certificate, "-k", key]
    if ask_for_certificate:
        arguments.append("-r")
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*processes.pinned(cpus), *arguments], stdout=subprocess.PIPE, stderr=errors
        )
    if _first_line(process.stdout) != b"ready\n":
        process.wait()
        raise BenchError(f"the bare server did not start:\n{_tail(log)}")
    return Server(process=process, port=port, log=log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> bool:
    """SIGTERM, then SIGKILL to the first process; False when that was needed."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _ready(path: Path) -> dict[str, str] | None:
    try:
        state: dict[str, str] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return state


def _first_line(pipe: IO[bytes] | None) -> bytes:
    return pipe.readline() if pipe is not None else b""


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL:]
