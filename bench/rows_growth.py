"""Enrollment beside millions of certificates on record, against an empty store.

The store is one that ``python -m bench.inventory --bulk`` has filled; it is used where it
lies and has some thousand certificates more afterwards.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench import loadgen, results
from bench.configured import start_demo
from bench.errors import BenchError
from bench.plan import Bench
from bench.pool import enrollment_pool, extend
from bench.results import Fact, LoadRow, Outcome
from bench.rows_load import ENROLL, plain_load
from bench.server import Certctl

FLAT = 1.15
DATABASE = "certctl.db"


def growth(bench: Bench) -> Outcome:
    """CPU and rate of an enrollment with much on record, of those with nothing."""
    if bench.store is None or not (bench.store / DATABASE).is_file():
        raise BenchError("the row growth needs --store FOLDER, filled by bench.inventory")
    url = f"sqlite:///{bench.store / DATABASE}"
    empty = LoadRow(name="enroll, nothing on record (32 in flight)")
    full = LoadRow(name="enroll, the filled store (32 in flight)")
    with (
        _server(bench, "growth-empty", None) as first,
        _server(bench, "growth-full", url) as second,
    ):
        load = replace(plain_load(bench, ENROLL), pool=enrollment_pool(bench.folder))
        for _ in range(bench.plan.rounds):
            for row, server in ((empty, first), (full, second)):
                if load.pool:
                    extend(load.pool, load.most_requests)
                theirs = replace(load, header=server.authorization)
                row.ours.append(loadgen.run(bench.programs.load, theirs, server))
    number = _number(bench.store / DATABASE)
    dearer = results.cpu(full.ours) / results.cpu(empty.ours)
    slower = results.rate(empty.ours) / results.rate(full.ours)
    return Outcome(
        loads=[empty, full],
        facts=[Fact(name="certificates on record", value=f"{number:,}")],
        goals=[
            results.at_most(
                "growth: CPU per enrollment of the empty store's", dearer, FLAT, " times"
            ),
            results.at_most(
                "growth: time per enrollment of the empty store's", slower, FLAT, " times"
            ),
        ],
    )


def _number(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM certificates").fetchone()[0])


def _server(bench: Bench, name: str, url: str | None) -> Certctl:
    directory = bench.folder / name
    (directory / "data").mkdir(parents=True, mode=0o700)
    variables = {"DATABASE_URL": url} if url else {}
    return start_demo(bench.command, directory, workers=2, variables=variables)
