"""Rows about revocation: OCSP answers over plain HTTP, and a CRL of a million entries.

Both through the whole server: from a socket to a socket, and from rows in the database
to a signed CRL that a worker serves.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import selectors
import socket
import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp

from bench import processes, results, server
from bench.errors import BenchError
from bench.holding import Holding
from bench.plan import Bench
from bench.results import Fact, Outcome
from bench.server import Certctl
from certctl.authority.caller import AuthorityCaller
from certctl.authority.commands import RevocationDone, RevokeCertificate
from certctl.domain.revocation import RevocationReason
from certctl.wiring import sockets
from certctl.wiring.sockets import RUN_DIRECTORY

PKI = "/.well-known/pki"
CONNECTIONS = 16
ENTRIES = 1_000_000
MIB = 1 << 20
BUILD_SECONDS = 120
POLL_SECONDS = 0.2


def ocsp(bench: Bench) -> Outcome:
    """One certificate's status, GET over kept connections, the whole server on one core."""
    port = server.free_port()
    environment = {
        "CERTCTL_PKI_HTTP_PORT": str(port),
        "CERTCTL_OCSP_RATE_LIMIT_PER_IP_MIN": "0",
    }
    core = bench.server_core
    folder = bench.folder / "ocsp"
    with server.start_certctl(
        bench.command, folder, workers=1, cpus=core, environment=environment
    ) as ours:
        request = _request(ours)
        kept = _status(request)
        asked = _get(kept)
        _answered(port, kept)
        processes.settle(ours.process.pid)
        os.sched_setaffinity(0, bench.client_cores)
        try:
            rounds = [_ask(ours, port, asked, bench.plan.seconds) for _ in range(bench.plan.rounds)]
        finally:
            os.sched_setaffinity(0, {*core, *bench.client_cores})
    best = min(rounds, key=lambda one: one.server_us)
    facts = [
        Fact(name="OCSP from cache: CPU of the server", value=f"{best.server_us:.0f} µs an answer"),
        Fact(name="OCSP: rounds", value=", ".join(f"{one.rate:,.0f}/s" for one in rounds)),
    ]
    # By the time that the server had the core: whoever else runs here takes nothing off it.
    per_core = 1e6 / best.server_us
    goal = results.at_least("OCSP from cache, HTTP, a second of 1 core", per_core, 5_000)
    return Outcome(facts=facts, goals=[goal])


def crl(bench: Bench) -> Outcome:
    """A million revoked certificates on record: from change to served, and the memory it took."""
    port = server.free_port()
    folder = bench.folder / "crl"
    environment = {
        "CERTCTL_PKI_HTTP_PORT": str(port),
        "CERTCTL_LOG_FORMAT": "json",
        "CERTCTL_CRL_DEBOUNCE": "1s",
    }
    with server.start_certctl(bench.command, folder, workers=1, environment=environment):
        eventually(lambda: crl_size(port))
    revoke_many(folder / "data" / "certctl.db")
    with server.start_certctl(bench.command, folder, workers=1, environment=environment) as ours:
        first = eventually(lambda: found if (found := crl_size(port)) > MIB else 0)
        # Not the first: that is made while the machine still starts the server, and then
        # the worker copies it. Once with nothing beside it, and once while somebody asks the
        # authority without a pause.
        processes.settle(ours.process.pid)
        _revoke_one(ours)
        second = eventually(lambda: found if (found := crl_size(port)) != first else 0)
        alone = _published(ours.log)
        with Holding(ours.directory / "data" / RUN_DIRECTORY) as holding:
            _revoke_one(ours)
            size = eventually(lambda: found if (found := crl_size(port)) != second else 0)
        began = time.perf_counter()
        fetched = _fetch(port, f"{PKI}/crl/iss-local")
        taken = time.perf_counter() - began
        peaks = {Path(f"/proc/{pid}/comm").read_text().strip(): _peak(pid) for pid in ours.pids()}
        beside = _published(ours.log)
    if len(fetched) != size:
        raise BenchError(f"a CRL of {len(fetched)} octets in place of {size}")
    number = len(x509.load_der_x509_crl(fetched))
    if number < ENTRIES:
        raise BenchError(f"{number} entries on the CRL")
    name = f"CRL of {ENTRIES:,}"
    facts = [
        Fact(name=f"{name}: octets", value=f"{size / 1e6:.1f} MB"),
        Fact(name=f"{name}: fetched over loopback", value=f"{taken:.2f} s"),
        Fact(
            name=f"{name}: beside one who asks the authority without a pause",
            value=f"{beside:.2f} s",
        ),
        Fact(
            name=f"{name}: the authority's answers beside it",
            value=f"p99 {holding.p99 * 1e3:.0f} ms of {len(holding.seconds):,}",
        ),
        *(
            Fact(name=f"{name}: peak of {process}", value=f"{octets / MIB:.0f} MiB")
            for process, octets in sorted(peaks.items())
        ),
    ]
    return Outcome(
        facts=facts,
        goals=[
            results.at_most(f"{name}: records to signed and published", alone, 1.0, " s"),
            results.at_most(
                f"{name}: longest the authority lets wait", holding.longest * 1e3, 100, " ms"
            ),
            results.at_most(
                f"{name}: peak of the largest process", max(peaks.values()) / MIB, 300, " MiB"
            ),
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    rate: float
    server_us: float


def _revoke_one(ours: Certctl) -> None:
    """So that the CRL is made once more, and its length is another."""
    caller = AuthorityCaller(partial(sockets.connect, ours.directory / "data" / RUN_DIRECTORY))
    with sqlite3.connect(ours.directory / "data" / "certctl.db") as database:
        (device,) = database.execute(
            "SELECT id FROM certificates WHERE status = 'valid' AND source = 'EST'"
        ).fetchone()
    database.close()
    reason = RevocationReason.KEY_COMPROMISE
    command = RevokeCertificate(certificate_id=device, reason=reason, actor="host:bench")
    caller.execute(command, RevocationDone)
    caller.close()


def _request(ours: Certctl) -> bytes:
    device = x509.load_pem_x509_certificate(
        (next((ours.directory / "device").glob("*.crt"))).read_bytes()
    )
    ca = x509.load_pem_x509_certificate(ours.ca.read_bytes())
    builder = x509_ocsp.OCSPRequestBuilder().add_certificate(device, ca, hashes.SHA1())  # noqa: S303 - as nearly all ask
    return builder.build().public_bytes(Encoding.DER)


def _status(request: bytes) -> str:
    return f"{PKI}/ocsp/iss-local/" + quote(base64.b64encode(request), safe="")


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _answered(port: int, path: str) -> None:
    response = x509_ocsp.load_der_ocsp_response(_fetch(port, path))
    if response.certificate_status is not x509_ocsp.OCSPCertStatus.GOOD:
        raise BenchError(f"the first device is {response.certificate_status}")


def _ask(ours: Certctl, port: int, asked: bytes, seconds: float) -> Round:
    """Each connection asks again as soon as it is answered."""
    pids = ours.pids()
    answers = 0
    with selectors.DefaultSelector() as selector:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        for each in sockets:
            each.sendall(asked)
            selector.register(each, selectors.EVENT_READ, each)
        cpu, began = processes.cpu_seconds(pids), time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            for key, _ in selector.select(1):
                # An answer is about a kilobyte, written at once: it comes whole.
                data = key.data.recv(16_384)
                if not data.startswith(b"HTTP/1.1 200"):
                    raise BenchError(f"answered {data[:60]!r}")
                answers += 1
                key.data.sendall(asked)
        taken = now - began
        cpu = processes.cpu_seconds(pids) - cpu
        for each in sockets:
            each.close()
    return Round(rate=answers / taken, server_us=cpu / answers * 1e6)


def revoke_many(database: Path) -> None:
    """As if a million certificates had been issued and revoked, without their octets."""
    changed = {
        # With their time, as all ids: a range of issuance is one of ids.
        "id": "printf('%012x%020x', issued_us / 1000, n)",
        "serial": "CAST(printf('A%019d', n) AS BLOB)",
        "status": "'revoked'",
        # One after the other, as revocations come: an index filled from its end backwards
        # has pages that are half empty, and lie in the file in reverse.
        "revoked_us": f"issued_us - ({ENTRIES} - n) * 31234567",
        "revocation_reason": "'superseded'",
        "not_after_us": "not_after_us",
        "der": "x'00'",
        "csr_der": "x'00'",
    }
    connection = sqlite3.connect(database)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(certificates)")]
    values = ", ".join(changed.get(name, name) for name in columns)
    many = f"WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT {ENTRIES})"  # noqa: S608
    one = "(SELECT * FROM certificates WHERE source = 'EST' LIMIT 1)"
    connection.execute(f"{many} INSERT INTO certificates SELECT {values} FROM {one}, many")  # noqa: S608
    # Left to be revoked later, beside the first device.
    connection.execute(
        "UPDATE certificates SET status = 'valid', revoked_us = NULL, revocation_reason = NULL"
        " WHERE serial = CAST(printf('A%019d', ?) AS BLOB)",
        (ENTRIES,),
    )
    connection.commit()
    connection.close()
    # A gigabyte: what the kernel has not written yet would be written beside what is measured.
    os.sync()


def _fetch(port: int, path: str, method: str = "GET") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != http.client.OK:
        raise BenchError(f"{path}: {response.status}")
    return body


def crl_size(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("HEAD", f"{PKI}/crl/iss-local")
    response = connection.getresponse()
    connection.close()
    return int(response.headers["Content-Length"]) if response.status == http.client.OK else 0


def eventually(probe: object) -> int:
    deadline = time.monotonic() + BUILD_SECONDS
    while time.monotonic() < deadline:
        found: int = probe()  # type: ignore[operator]
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise BenchError(f"no CRL within {BUILD_SECONDS} s")


def _published(log: Path) -> float:
    """Seconds of the last CRL, as the jobs process tells them."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line.get("event") == "crl_published"]
    if not told:
        raise BenchError("no CRL in the log")
    return float(told[-1]["milliseconds"]) / 1_000


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmHWM"))
