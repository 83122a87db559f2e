"""Runs the C load generator and reads the server's CPU time around its window."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import processes, profiling
from bench.errors import BenchError
from bench.pool import Pool
from bench.server import Server

HELD_SECONDS = 120
START_SECONDS = 60
"""For reading a pool with its client certificates, and for the last answers."""
FASTEST_POOL_USE = 3_000
"""New connections a second; what one load generator on one core cannot exceed by much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run asks of a server."""

    path: str
    connections: int
    seconds: float
    warm_up: float
    requests: int = 1
    pool: Pool | None = None
    bind: bool = False
    """Each CSR signed again, with the channel binding of its connection."""
    header: str | None = None
    expect: str = "200"
    sample: Path | None = None
    sample_every: int = 50
    cpus: list[int] | None = None
    """Cores the load generator is bound to."""

    @property
    def most_requests(self) -> int:
        """Pool entries that a run may use."""
        return math.ceil((self.seconds + self.warm_up) * FASTEST_POOL_USE)


@dataclass(slots=True, kw_only=True)
class Held:
    """Connections being held open."""

    opened: int
    seconds: float
    """Time that opening them took."""
    result: dict[str, Any]
    """What the program said of them at the end; empty until the block is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, from the measured window unless said. Latency in milliseconds."""

    rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    answers: int
    seconds: float
    server_us: float
    """CPU microseconds of the whole server tree per good answer."""
    client_cores: float
    bad: int
    """Broken connections and unexpected statuses, warm-up included."""
    statuses: dict[str, int]
    remark: str
    exhausted: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(
    program: Path,
    load: Load,
    server: Server,
    *,
    fresh: bool = True,
    profile: Path | None = None,
) -> Measured:
    """One run. With fresh, pool entries are used up; without, taken from the start."""
    pids = server.pids()
    cpu: dict[str, float] = {}
    last: dict[str, Any] = {}
    with _started(program, _arguments(load, server.port, fresh=fresh), load.cpus) as process:
        for last in _events(process, START_SECONDS + load.warm_up + load.seconds):
            cpu[last["event"]] = processes.cpu_seconds(pids)
            if last["event"] == "measuring" and profile:
                profiling.record(server.process.pid, load.seconds, profile)
    if last.get("event") != "result":
        raise BenchError("the load generator ended without a result")
    if load.pool and fresh:
        load.pool.next = last["next"]
    return _measured(last, cpu["measured"] - cpu["measuring"])


@contextmanager
def held(program: Path, mode: str, count: int, server: Server, path: str = "/") -> Iterator[Held]:
    """Connections that stay open inside the block: idle ("hold") or stalled ("stall")."""
    arguments = [f"--port={server.port}", f"--mode={mode}", f"--connections={count}"]
    with _started(program, [*arguments, f"--path={path}"], None) as process:
        began = time.monotonic()
        first = next(_events(process, HELD_SECONDS), None)
        if first is None:
            raise BenchError(f"{count} connections could not be opened in {HELD_SECONDS} s")
        holding = Held(opened=first["number"], seconds=time.monotonic() - began, result={})
        yield holding
        process.send_signal(signal.SIGTERM)
        for event in _events(process, START_SECONDS):
            holding.result |= event


@contextmanager
def _started(
    program: Path, arguments: Iterable[str], cpus: list[int] | None
) -> Iterator[subprocess.Popen[bytes]]:
    command = [*processes.pinned(cpus), str(program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise BenchError(f"the load generator failed with {process.returncode}")


def _events(process: subprocess.Popen[bytes], seconds: float) -> Iterator[dict[str, Any]]:
    """The JSON lines of the program, which is killed when they take too long."""
    if process.stdout is None:
        return
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        for line in process.stdout:
            yield json.loads(line)
    finally:
        watchdog.cancel()


def _arguments(load: Load, port: int, *, fresh: bool) -> Iterator[str]:
    settings: dict[str, object] = {
        "port": port,
        "path": load.path,
        "connections": load.connections,
        "seconds": load.seconds,
        "warm-up": load.warm_up,
        "requests": load.requests,
        "expect": load.expect,
    }
    if load.header:
        settings["header"] = load.header
    if load.pool:
        first = load.pool.next if fresh else 0
        if first >= load.pool.count:
            raise BenchError("the pool of requests is used up: nothing left to measure with")
        settings["pool"] = load.pool.path
        settings["pool-first"] = first
        settings["pool-limit"] = min(load.most_requests, load.pool.count - first)
    if load.sample:
        settings["sample"] = load.sample
        settings["sample-every"] = load.sample_every
    for name, value in settings.items():
        yield f"--{name}={value}"
    if load.bind:
        yield "--bind"


def _measured(result: dict[str, Any], cpu: float) -> Measured:
    answers = result["answers"]
    if answers == 0:
        raise BenchError(
            f"no good answer: statuses {result['statuses']}, "
            f"last error {result['last_error']!r}, first refusal {result['first_refusal']!r}"
        )
    return Measured(
        rate=result["rate"],
        p50_ms=result["p50_ms"],
        p90_ms=result["p90_ms"],
        p99_ms=result["p99_ms"],
        max_ms=result["max_ms"],
        answers=answers,
        seconds=result["seconds"],
        server_us=1e6 * cpu / answers,
        client_cores=result["client_cpu_seconds"] / result["seconds"],
        bad=result["errors"] + result["unexpected"],
        statuses=result["statuses"],
        remark=" ".join(filter(None, (result["last_error"], result["first_refusal"]))),
        exhausted=result["exhausted"],
    )
