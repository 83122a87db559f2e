"""Revoking 100,000 certificates while devices enroll (records §4)."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace

from bench import inventory, loadgen, results, server
from bench.errors import BenchError
from bench.loadgen import Load, Measured
from bench.plan import Bench
from bench.pool import enrollment_pool, extend
from bench.results import Fact, LoadRow, Outcome
from bench.rows_load import ENROLL
from certctl.domain.clock import DAY_US

ROWS = 100_000
BEFORE = "2026-08-01"
"""After the last synthetic certificate, before every run: what enrolls is not revoked."""

LIFETIME_US = 3_650 * DAY_US
GOAL_SECONDS = 60
GOAL_TIMES = 2.0
"""What the slowest in a hundred may grow by; noise of two shared cores included."""

GIVE_UP_SECONDS = 600


@dataclass(slots=True)
class HostCommand:
    """A host command that runs beside the load."""

    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    output: str = ""

    def wait(self) -> None:
        self.output, _ = self.process.communicate(timeout=GIVE_UP_SECONDS)
        self.seconds = time.monotonic() - self.began


def bulk_revoke(bench: Bench) -> Outcome:
    """Enrollment alone, then beside a bulk revocation until that ends; 2 workers."""
    folder = bench.folder / "bulk-revoke"
    # Once without load, so that the store is there to be filled.
    server.start_certctl(bench.command, folder, workers=2).stop()
    url = f"sqlite:///{folder / 'data' / 'certctl.db'}"
    inventory.fill(url, ROWS, lifetime_us=LIFETIME_US)
    alone = LoadRow(name="enroll, nothing else (32 in flight)")
    beside = LoadRow(name=f"enroll, beside a bulk revocation of {ROWS:,} (32 in flight)")
    with server.start_certctl(bench.command, folder, workers=2) as ours:
        pool = enrollment_pool(bench.folder)
        load = Load(
            path=ENROLL,
            connections=32,
            seconds=bench.plan.seconds,
            warm_up=bench.plan.warm_up,
            header=ours.authorization,
            pool=pool,
        )

        def enroll() -> Measured:
            extend(pool, load.most_requests)
            return loadgen.run(bench.programs.load, load, ours)

        alone.ours.extend(enroll() for _ in range(bench.plan.rounds))
        # Made before, or the making of requests would be time without load.
        extend(pool, load.most_requests * 20)
        command = start_bulk(bench, ours)
        watch = threading.Thread(target=command.wait)
        watch.start()
        while watch.is_alive():
            beside.ours.append(loadgen.run(bench.programs.load, replace(load), ours))
        watch.join()
    totals = json.loads(command.output)
    # One in a hundred is revoked already.
    if totals["total_revoked"] < 0.98 * ROWS:
        raise BenchError(f"bulk revocation: {totals}")
    times = results.p99(beside.ours) / results.p99(alone.ours)
    return Outcome(
        loads=[alone, beside],
        facts=[Fact(name="bulk revocation", value=f"{totals['total_revoked']:,} revoked")],
        goals=[
            results.at_most("bulk revocation, beside load", command.seconds, GOAL_SECONDS, " s"),
            results.at_most("p99 of enrollment beside it", times, GOAL_TIMES, " times"),
        ],
    )


def start_bulk(bench: Bench, ours: server.Certctl) -> HostCommand:
    criteria = ["--issuer", "iss-local", "--issued-before", BEFORE]
    return HostCommand(
        subprocess.Popen(
            [
                bench.command,
                "certificates",
                "bulk-revoke",
                "--reason",
                "superseded",
                "--yes",
                "--output",
                "json",
                *criteria,
            ],
            env=os.environ
            | {
                "CERTCTL_DATA_DIR": str(ours.directory / "data"),
                "CERTCTL_EST_ENABLED": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
