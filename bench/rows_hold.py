"""Rows about what a server holds or takes: idle connections, memory, its start."""

from __future__ import annotations

import statistics
import time

from bench import check, loadgen, processes, results, server
from bench.errors import BenchError
from bench.plan import Bench, raise_descriptor_limit
from bench.results import Fact, Goal, Outcome
from bench.rows_load import EST
from bench.server import Server

REST_SECONDS = 2
MIB = 1 << 20
IDLE_GOAL = 350
"""MiB for 10,000 idle TLS connections; fewer connections get their share."""
IDLE_GOAL_CONNECTIONS = 10_000


def idle(bench: Bench) -> Outcome:
    """Memory of idle TLS connections, each opened with one request; 2 workers."""
    count = raise_descriptor_limit(bench.plan.idle)
    with (
        server.start_certctl(bench.command, bench.folder / "idle", workers=2) as ours,
        server.start_bare(bench.programs, bench.folder, workers=2) as bare,
    ):
        check.verified_get(ours, f"{EST}/cacerts")
        grown, fact = _growth(bench, ours, count, "our server")
        _, bare_fact = _growth(bench, bare, count, "bare C server")
    wanted = IDLE_GOAL * count / IDLE_GOAL_CONNECTIONS
    goal = results.at_most(f"{count:,} idle TLS connections", grown / MIB, wanted, " MiB")
    return Outcome(facts=[fact, bare_fact], goals=[goal])


def start(bench: Bench) -> Outcome:
    """From starting the process to its ready file, on a new and on an old store; 2 workers."""
    fresh = _start_seconds(bench)
    again = [_start_seconds(bench) for _ in range(bench.plan.starts)]
    fact = Fact(name="start to ready, new store", value=f"{fresh:.2f} s")
    goal = results.at_most("start to ready, existing store", statistics.median(again), 2.0, " s")
    return Outcome(facts=[fact], goals=[goal])


def memory(bench: Bench) -> Outcome:
    """Proportional set size of each process at rest; 2 workers."""
    with server.start_certctl(bench.command, bench.folder / "memory", workers=2) as ours:
        check.verified_get(ours, f"{EST}/cacerts")
        time.sleep(REST_SECONDS)
        found = processes.memory(ours.process.pid, ours.port)
    facts = [
        Fact(
            name=f"memory at rest: {'worker' if one.listens else 'other process'}",
            value=f"{one.pss / MIB:.1f} MiB  {one.command[:60]}",
        )
        for one in found
    ]
    total = sum(one.pss for one in found)
    facts.append(Fact(name="memory at rest: all processes", value=f"{total / MIB:.1f} MiB"))
    return Outcome(facts=facts, goals=[_worker_goal(found)])


def _worker_goal(found: list[processes.Memory]) -> Goal:
    workers = [one.pss for one in found if one.listens]
    if not workers:
        raise BenchError("no process of the server listens on its port")
    return results.at_most("memory of a worker at rest", max(workers) / MIB, 80, " MiB")


def _growth(bench: Bench, target: Server, count: int, name: str) -> tuple[int, Fact]:
    """Bytes by which the server grew while it held the connections."""
    before = target.pss()
    path = f"{EST}/cacerts"
    with loadgen.held(bench.programs.load, "hold", count, target, path) as holding:
        time.sleep(REST_SECONDS)
        grown = target.pss() - before
    still = holding.result["held"]
    if still < count:
        raise BenchError(
            f"{name} kept only {still:,} of {count:,} idle connections: "
            f"{holding.result['last_error']} {holding.result['first_refusal']}"
        )
    value = (
        f"{grown / MIB:.0f} MiB for {count:,}, {grown / count / 1024:.1f} KiB each, "
        f"opened in {holding.seconds:.1f} s"
    )
    return grown, Fact(name=f"idle TLS connections, {name}", value=value)


def _start_seconds(bench: Bench) -> float:
    with server.start_certctl(bench.command, bench.folder / "start", workers=2) as ours:
        check.verified_get(ours, f"{EST}/cacerts")
        return ours.ready_seconds
