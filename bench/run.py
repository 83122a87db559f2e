"""``scripts/bench``: measures the server on this machine and prints the table.

Everything runs on loopback. Absolute figures belong to the machine they were
taken on; what can be compared is a ratio within one run and CPU per request.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import (
    facts,
    profiling,
    rows_beside,
    rows_growth,
    rows_hold,
    rows_load,
    rows_postgres,
    rows_revoke,
    rows_status,
)
from bench.build import BUILD, HERE, build
from bench.errors import BenchError
from bench.plan import FULL, QUICK, Bench, Plan
from bench.report import Report
from bench.results import Outcome

ROWS: dict[str, Callable[[Bench], Outcome]] = {
    "enroll": rows_load.enroll_shared,
    "enroll-one-core": rows_load.enroll_one_core,
    "renew": rows_load.renew,
    "renew-every-gate": rows_load.renew_every_gate,
    "reads": rows_load.reads,
    "stalled": rows_load.stalled,
    "postgres": rows_postgres.one_node,
    "two-nodes": rows_postgres.two_nodes,
    "idle": rows_hold.idle,
    "start": rows_hold.start,
    "memory": rows_hold.memory,
    "bulk-revoke": rows_revoke.bulk_revoke,
    "renew-beside": rows_beside.renew_beside,
    "ocsp": rows_status.ocsp,
    "crl": rows_status.crl,
}
ON_REQUEST: dict[str, Callable[[Bench], Outcome]] = {"growth": rows_growth.growth}
"""Rows that want something prepared; only when named."""

RESULTS = HERE / "results"
SERVER = Path(sys.prefix) / "bin" / "certctl-server"


def main() -> int:
    """0 when each row was measured, whether or not it met its goal; else 1."""
    arguments = _arguments()
    # As Ctrl-C does: the servers that it started end with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if not arguments.server.is_file():
        print(f"{arguments.server} does not exist: run scripts/_setup first", file=sys.stderr)
        return 1
    try:
        if arguments.profile:
            profiling.require()
        programs = build()
    except BenchError as err:
        print(err, file=sys.stderr)
        return 1
    began = dt.datetime.now(dt.UTC)
    # Not the system's temporary folder: where that is memory, a durable write
    # would cost nothing and every figure would flatter.
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=arguments.dir))
    graphs = RESULTS / f"{began:%Y%m%d-%H%M%S}-profile" if arguments.profile else None
    if graphs:
        graphs.mkdir(parents=True)
    bench = Bench(
        plan=_plan(arguments),
        programs=programs,
        command=arguments.server,
        folder=folder,
        profile=graphs,
        store=arguments.store,
    )
    machine, ticks = facts.machine(programs, folder), facts.cpu_ticks()
    try:
        outcomes, failures = _measure(bench, arguments.row or list(ROWS))
    finally:
        if arguments.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    report = Report(
        at=began,
        command=" ".join(["scripts/bench", *sys.argv[1:]]),
        machine=machine | {"taken by the host": facts.stolen(ticks)},
        profiled=arguments.profile,
        outcomes=outcomes,
        failures=failures,
    )
    print(report.markdown())
    print("written:", *report.write(RESULTS), file=sys.stderr)
    return 1 if failures else 0


def _measure(bench: Bench, names: list[str]) -> tuple[dict[str, Outcome], dict[str, str]]:
    """A row that fails is reported and does not take the others with it."""
    outcomes: dict[str, Outcome] = {}
    failures: dict[str, str] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            outcomes[name] = (ROWS | ON_REQUEST)[name](bench)
        except BenchError as err:
            print(f"{name}: {err}", file=sys.stderr)
            failures[name] = str(err)
    return outcomes, failures


def _plan(arguments: argparse.Namespace) -> Plan:
    plan = QUICK if arguments.quick else FULL
    given = {
        name: value
        for name in ("rounds", "seconds", "idle", "stalled")
        if (value := getattr(arguments, name)) is not None
    }
    return replace(plan, **given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 to 2 minutes instead of about 10")
    parser.add_argument(
        "--row", action="append", choices=ROWS | ON_REQUEST, help="only this row; repeatable"
    )
    parser.add_argument("--rounds", type=int, help="alternations of our server and the bare one")
    parser.add_argument("--seconds", type=float, help="measured time of each load run")
    parser.add_argument("--idle", type=int, help="idle connections to hold")
    parser.add_argument("--stalled", type=int, help="handshakes to leave unfinished")
    parser.add_argument("--profile", action="store_true", help="flame graphs with py-spy")
    parser.add_argument("--server", type=Path, default=SERVER, help="certctl-server to measure")
    parser.add_argument("--dir", type=Path, default=BUILD, help="where the stores are made")
    parser.add_argument("--store", type=Path, help="filled store for the row growth")
    parser.add_argument("--keep", action="store_true", help="keep stores and logs of the run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
