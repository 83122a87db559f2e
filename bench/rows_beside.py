"""Renewals while CRLs of a million are built and 100,000 certificates are revoked."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

from bench import inventory, loadgen, results, server
from bench.errors import BenchError
from bench.loadgen import Measured
from bench.plan import Bench
from bench.results import Fact, LoadRow, Outcome
from bench.rows_load import REENROLL, plain_load, renewals_of_new_devices
from bench.rows_revoke import LIFETIME_US, ROWS, start_bulk
from bench.rows_status import MIB, crl_size, eventually, revoke_many

IN_FLIGHT = 8
"""Some two thirds of what the machine can do: a queue of our own making is no measure."""

DEVICES_SECONDS = 45
"""Of enrollment at full speed: devices enough for the renewals of the whole row."""

GOAL_MS = 100


def renew_beside(bench: Bench) -> Outcome:
    """Renewals alone, then until a bulk revocation ends that makes CRL after CRL."""
    folder, port = bench.folder / "renew-beside", server.free_port()
    database = folder / "data" / "certctl.db"
    environment = {
        "CERTCTL_PKI_HTTP_PORT": str(port),
        "CERTCTL_LOG_FORMAT": "json",
        "CERTCTL_CRL_DEBOUNCE": "1s",
    }
    server.start_certctl(bench.command, folder, workers=2, environment=environment).stop()
    revoke_many(database)
    inventory.fill(f"sqlite:///{database}", ROWS, lifetime_us=LIFETIME_US)
    name = f"renew, client certificate ({IN_FLIGHT} in flight)"
    alone, beside = LoadRow(name=f"{name}, nothing else"), LoadRow(name=f"{name}, beside both")
    with server.start_certctl(bench.command, folder, workers=2, environment=environment) as ours:
        eventually(lambda: found if (found := crl_size(port)) > MIB else 0)
        pool = renewals_of_new_devices(bench, ours, seconds=DEVICES_SECONDS)
        load = replace(plain_load(bench, REENROLL), pool=pool, connections=IN_FLIGHT)

        def renewed() -> Measured:
            return loadgen.run(bench.programs.load, load, ours)

        alone.ours.extend(renewed() for _ in range(bench.plan.rounds))
        before = _crls(ours)
        command = start_bulk(bench, ours)
        watch = threading.Thread(target=command.wait)
        watch.start()
        while watch.is_alive() and pool.count - pool.next > load.most_requests / 2:
            beside.ours.append(renewed())
        watch.join()
        built = _crls(ours) - before
    totals = json.loads(command.output)
    if totals["total_revoked"] < 0.98 * ROWS or not built:
        raise BenchError(f"{built} CRLs beside a bulk revocation of {totals}")
    worst = max(each.p99_ms for each in beside.ours)
    return Outcome(
        loads=[alone, beside],
        facts=[
            Fact(name="CRLs of a million built meanwhile", value=str(built)),
            Fact(name="bulk revocation beside renewals", value=f"{command.seconds:.1f} s"),
        ],
        goals=[results.at_most("p99 of renewals beside both, worst run", worst, GOAL_MS, " ms")],
    )


def _crls(ours: server.Certctl) -> int:
    return ours.log.read_text().count('"crl_published"')
