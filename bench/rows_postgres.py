"""Rows on PostgreSQL: one node, and two nodes on one database.

The cluster is the bench's own, on the same disk as the other stores, with fsync on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bench import loadgen, results
from bench.configured import start_demo
from bench.late import LateProxy
from bench.loadgen import Load, Measured
from bench.plan import Bench
from bench.pool import enrollment_pool, extend
from bench.results import Fact, LoadRow, Outcome
from bench.rows_load import ENROLL, alternate, plain_load
from bench.server import Certctl, start_bare
from tests.harness.nodes import SHARED
from tests.harness.postgres import PrivatePostgres

LATE_SECONDS = 0.005
IN_FLIGHT = 32
LOCK_WAIT = "still waiting for"
"""PostgreSQL's log, after the 200 ms of deadlock_timeout."""


def one_node(bench: Bench) -> Outcome:
    """First enrollment with Basic, 2 workers, everything on the same cores."""
    with (
        _cluster(bench) as postgres,
        _node(bench, "postgres", postgres.migrated(), workers=2) as ours,
        start_bare(bench.programs, bench.folder, workers=2) as bare,
    ):
        load = replace(plain_load(bench, ENROLL), header=ours.authorization)
        load = replace(load, pool=enrollment_pool(bench.folder), sample=bench.folder / "sample")
        loads = [replace(load, connections=connections) for connections in (32, 64)]
        rows = alternate(bench, "enroll, PostgreSQL, 2 workers", loads, ours, bare)
        version = postgres.execute("SHOW server_version")[0][0]
    best = max(results.rate(row.ours) for row in rows)
    return Outcome(
        loads=rows,
        facts=[Fact(name="PostgreSQL", value=str(version))],
        goals=[results.at_least("enroll: rate on PostgreSQL, 2 workers", best, 600, "/s")],
    )


def two_nodes(bench: Bench) -> Outcome:
    """One node, then both at once: what a node costs the other, near and 5 ms away."""
    with _cluster(bench) as postgres:
        near = _pair(bench, postgres, "near", postgres.port)
        waits = postgres.log().count(LOCK_WAIT)
        with LateProxy(postgres.port, seconds=LATE_SECONDS) as proxy:
            late = _pair(bench, postgres, "5 ms late", proxy.port)
    both = results.cpu(near[1].ours) / results.cpu(near[0].ours)
    grown = 2 * results.rate(late[1].ours) / results.rate(late[0].ours)
    return Outcome(
        loads=[*near, *late],
        goals=[
            results.at_most("two nodes: CPU per enrollment of one node's", both, 1.15, " times"),
            results.at_most("two nodes: lock waits over 200 ms", waits, 0),
            results.at_least("two nodes, 5 ms late: rate of one node's", grown, 1.7, " times"),
        ],
    )


def _pair(bench: Bench, postgres: PrivatePostgres, name: str, port: int) -> list[LoadRow]:
    """Rows for one node alone, and for each of two that work at once."""
    alone = LoadRow(name=f"enroll, one node, database {name} ({IN_FLIGHT} in flight)")
    each = LoadRow(name=f"enroll, each of two nodes, database {name} ({IN_FLIGHT} in flight)")
    url = postgres.migrated().replace(f":{postgres.port}/", f":{port}/")
    with ExitStack() as stack:
        first = stack.enter_context(_node(bench, f"one-{port}", url, workers=1))
        second = stack.enter_context(_node(bench, f"two-{port}", url, workers=1, like=first))
        load = replace(plain_load(bench, ENROLL), connections=IN_FLIGHT)
        load = replace(load, pool=enrollment_pool(bench.folder))
        for _ in range(bench.plan.rounds):
            alone.ours.extend(_at_once(bench, load, [first]))
            each.ours.extend(_at_once(bench, load, [first, second]))
    return [alone, each]


def _at_once(bench: Bench, load: Load, nodes: list[Certctl]) -> list[Measured]:
    """Each node gets requests of its own: the same to both would be repeats."""
    loads = []
    for number, node in enumerate(nodes):
        folder = bench.folder / f"pool-{number}"
        folder.mkdir(exist_ok=True)
        pool = enrollment_pool(folder)
        extend(pool, load.most_requests)
        loads.append(replace(load, pool=pool, header=node.authorization))
    with ThreadPoolExecutor(len(nodes)) as pool_of_threads:
        running = [
            pool_of_threads.submit(loadgen.run, bench.programs.load, each, node)
            for each, node in zip(loads, nodes, strict=True)
        ]
        return [each.result() for each in running]


@contextmanager
def _cluster(bench: Bench) -> Iterator[PrivatePostgres]:
    # PostgreSQL's own user has to reach it.
    bench.folder.chmod(0o755)
    postgres = PrivatePostgres(bench.folder)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.remove()


def _node(
    bench: Bench, name: str, url: str, *, workers: int, like: Certctl | None = None
) -> Certctl:
    """A server on the database; ``like``: with the CA of this one."""
    directory = bench.folder / name
    data = directory / "data"
    data.mkdir(parents=True, mode=0o700)
    if like is not None:
        for shared in SHARED:
            shutil.copy2(like.directory / "data" / shared, data / shared)
    return start_demo(bench.command, directory, workers=workers, variables={"DATABASE_URL": url})
