"""Rows under load: enrollment, renewal, and the public reads.

Each alternates with the bare C server in the same run, because the speed of a
shared machine drifts: only the ratio of neighbours in time means something.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding

from bench import check, loadgen, results, server
from bench.errors import BenchError
from bench.loadgen import Load, Measured
from bench.plan import Bench
from bench.pool import Pool, enrollment_pool, extend, read_samples, renewal_pool
from bench.results import Goal, LoadRow, Outcome
from bench.server import Certctl, Server
from bench.strict import start_strict

EST = "/.well-known/est/demo"
ENROLL = f"{EST}/simpleenroll"
REENROLL = f"{EST}/simplereenroll"
KEEP_ALIVE = 1_000_000_000
"""Requests per connection: as good as endless."""
SPARE = 1.6

IN_FLIGHT = (32, 64, 128)
"""On two cores. The goals are judged where the rate is highest; the table shows all."""


def enroll_shared(bench: Bench) -> Outcome:
    """First enrollment with Basic: 2 workers on all cores, which the client shares."""
    with (
        server.start_certctl(bench.command, bench.folder / "enroll-shared", workers=2) as ours,
        server.start_bare(bench.programs, bench.folder, workers=2) as bare,
    ):
        rows = _enroll_at(IN_FLIGHT, "enroll, Basic, 2 workers", bench, ours, bare)
    return Outcome(loads=rows, goals=_at_its_best("enroll", rows, 1_300, 3.0))


def enroll_one_core(bench: Bench) -> Outcome:
    """First enrollment with Basic: the whole server on one core, the client on others."""
    core, folder = bench.server_core, bench.folder / "enroll-one-core"
    with (
        server.start_certctl(bench.command, folder, workers=1, cpus=core) as ours,
        server.start_bare(bench.programs, bench.folder, workers=1, cpus=core) as bare,
    ):
        rows = _enroll_at(
            (32, 8), "enroll, Basic, 1 core", bench, ours, bare, cpus=bench.client_cores
        )
    busy, quiet = (row.ours for row in rows)
    share = 100 * results.rate(quiet) / results.rate(busy)
    return Outcome(
        loads=rows,
        goals=[
            results.at_most("enroll: p50 at 32, 1 core", results.p50(busy), 20, " ms"),
            results.at_most("enroll: p99 at 32, 1 core", results.p99(busy), 40, " ms"),
            results.at_most("enroll: p50 at 8, 1 core", results.p50(quiet), 8, " ms"),
            results.at_least("enroll: rate at 8 of that at 32", share, 65, " %"),
        ],
    )


def renew(bench: Bench) -> Outcome:
    """Renewal, each device with the certificate it just got; 2 workers."""
    with (
        server.start_certctl(bench.command, bench.folder / "renew", workers=2) as ours,
        server.start_bare(
            bench.programs, bench.folder, workers=2, ask_for_certificate=True
        ) as bare,
    ):
        pool = renewals_of_new_devices(bench, ours)
        load = replace(plain_load(bench, REENROLL), pool=pool, sample=bench.folder / "sample")
        rows = alternate(bench, "renew, client certificate, 2 workers", _at_each(load), ours, bare)
    return Outcome(loads=rows, goals=_at_its_best("renew", rows, 900, 2.5))


def renew_every_gate(bench: Bench) -> Outcome:
    """Renewal bound to its connection, under patterns, a limit and identity binding."""
    with (
        start_strict(bench.command, bench.folder / "renew-every-gate", workers=2) as ours,
        server.start_bare(
            bench.programs, bench.folder, workers=2, ask_for_certificate=True
        ) as bare,
    ):
        pool = renewals_of_new_devices(bench, ours, bind=True)
        load = replace(
            plain_load(bench, REENROLL), pool=pool, bind=True, sample=bench.folder / "sample"
        )
        rows = alternate(bench, "renew, every gate, 2 workers", _at_each(load), ours, bare)
    return Outcome(loads=rows, goals=_at_its_best("renew, every gate", rows, 900, 2.5))


def reads(bench: Bench) -> Outcome:
    """cacerts and csrattrs over kept connections, the whole server on one core."""
    core = bench.server_core
    with (
        server.start_certctl(bench.command, bench.folder / "reads", workers=1, cpus=core) as ours,
        server.start_bare(bench.programs, bench.folder, workers=1, cpus=core) as bare,
    ):
        rows = []
        for operation in ("cacerts", "csrattrs"):
            load = replace(
                plain_load(bench, f"{EST}/{operation}"),
                requests=KEEP_ALIVE,
                expect="200,204",  # 204: this profile has nothing to ask of a CSR
                cpus=bench.client_cores,
            )
            rows += alternate(bench, f"{operation}, keep-alive, 1 core", [load], ours, bare)
    goals = [results.at_least(row.name, results.rate(row.ours), 8_000, "/s") for row in rows]
    return Outcome(loads=rows, goals=goals)


def stalled(bench: Bench) -> Outcome:
    """Enrollment while many others never finish their handshake; 2 workers."""
    plan = bench.plan
    quiet = LoadRow(name="enroll, nobody stalls (32 in flight)")
    beside = LoadRow(name=f"enroll, beside {plan.stalled:,} stalled (32 in flight)")
    with server.start_certctl(bench.command, bench.folder / "stalled", workers=2) as ours:
        load = replace(
            plain_load(bench, ENROLL), seconds=plan.stall_seconds, header=ours.authorization
        )
        load = replace(load, pool=enrollment_pool(bench.folder), sample=bench.folder / "sample")
        for _ in range(plan.rounds):
            quiet.ours.append(_run(bench, load, ours, quiet.name))
            with loadgen.held(bench.programs.load, "stall", plan.stalled, ours) as attack:
                beside.ours.append(_run(bench, load, ours, beside.name))
    share = 100 * results.rate(beside.ours) / results.rate(quiet.ours)
    opened, closed = attack.result["opened"], attack.result["closed"]
    first = attack.result["first_close_seconds"]
    fact = results.Fact(
        name="stalled handshakes, last round",
        value=f"{opened:,} opened, {closed:,} closed by the server"
        + (f", the first after {first:.1f} s" if closed else ""),
    )
    goal = results.at_least("rate beside stalled handshakes", share, 80, " %")
    return Outcome(loads=[quiet, beside], facts=[fact], goals=[goal])


def _at_each(load: Load, concurrencies: tuple[int, ...] = IN_FLIGHT) -> list[Load]:
    return [replace(load, connections=connections) for connections in concurrencies]


def _at_its_best(name: str, rows: list[LoadRow], rate: float, times: float) -> list[Goal]:
    """Both figures of one row: that with the highest rate."""
    best = max(rows, key=lambda row: results.rate(row.ours))
    return [
        results.at_least(f"{name}: rate, 2 workers", results.rate(best.ours), rate, "/s"),
        results.at_most(f"{name}: CPU ratio to C, in the same row", best.ratio(), times, " times"),
    ]


def _enroll_at(
    concurrencies: tuple[int, ...],
    name: str,
    bench: Bench,
    ours: Certctl,
    bare: Server,
    cpus: list[int] | None = None,
) -> list[LoadRow]:
    load = replace(plain_load(bench, ENROLL), header=ours.authorization, cpus=cpus)
    # One pool for all, because one server must never see a CSR twice.
    load = replace(load, pool=enrollment_pool(bench.folder), sample=bench.folder / "sample")
    return alternate(bench, name, _at_each(load, concurrencies), ours, bare)


def alternate(
    bench: Bench, name: str, loads: list[Load], ours: Certctl, bare: Server
) -> list[LoadRow]:
    """One row per load; within a round each load meets both servers."""
    rows = [LoadRow(name=f"{name} ({load.connections} in flight)") for load in loads]
    for _ in range(bench.plan.rounds):
        for load, row in zip(loads, rows, strict=True):
            row.ours.append(_run(bench, load, ours, row.name))
            limit = replace(load, sample=None, header=None, bind=False)
            row.bare.append(loadgen.run(bench.programs.load, limit, bare, fresh=False))
    return rows


def _run(bench: Bench, load: Load, ours: Certctl, name: str) -> Measured:
    """One run against our server, its chain verified before, its answers after."""
    check.verified_get(ours, f"{EST}/cacerts")
    if load.pool and load.path == ENROLL:
        extend(load.pool, load.most_requests)
    graph = bench.profile / f"{_file_name(name)}.svg" if bench.profile else None
    measured = loadgen.run(bench.programs.load, load, ours, profile=graph)
    if load.sample and load.pool:
        check.issued_certificates(ours, load.pool.entries(), read_samples(load.sample))
    if measured.exhausted and measured.seconds < load.seconds / 2:
        raise BenchError(f"{name}: the pool of requests was used up too early")
    return measured


def renewals_of_new_devices(
    bench: Bench, ours: Certctl, *, bind: bool = False, seconds: float | None = None
) -> Pool:
    """Enrolls through the front door for as long as all rounds of renewal will take.

    A renewal is dearer than an enrollment; SPARE is for what else the machine does.
    """
    plan = bench.plan
    if seconds is None:
        seconds = SPARE * len(IN_FLIGHT) * plan.rounds * (plan.warm_up + plan.seconds)
    pool, sample = enrollment_pool(bench.folder), bench.folder / "enrolled"
    load = replace(
        plain_load(bench, ENROLL),
        header=ours.authorization,
        pool=pool,
        sample=sample,
        sample_every=1,
        bind=bind,
        warm_up=0,
        seconds=seconds,
    )
    extend(pool, load.most_requests)
    loadgen.run(bench.programs.load, load, ours)
    entries, samples = pool.entries(), read_samples(sample)
    certificates = check.issued_certificates(ours, entries, samples)
    devices = [
        (certificate.public_bytes(Encoding.DER), entries[answer.number].key)
        for answer, certificate in zip(samples, certificates, strict=True)
    ]
    return renewal_pool(bench.folder / "renewal.pool", devices, same_key=bind)


def plain_load(bench: Bench, path: str) -> Load:
    """What every run asks: 32 in flight, each on a connection of its own."""
    plan = bench.plan
    return Load(path=path, connections=32, seconds=plan.seconds, warm_up=plan.warm_up)


def _file_name(name: str) -> str:
    letters = (letter if letter.isalnum() else " " for letter in name)
    return "-".join("".join(letters).split())
