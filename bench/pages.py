"""How long the server takes for each web page: `python -m bench.pages --store FOLDER`.

Fills `FOLDER/data` with certificates and audit events by the store's own commands (what an
earlier run has left there is taken up; `bench.inventory --bulk --dir FOLDER/data` fills quicker),
starts a server with 50 EST profiles on it, waits until its jobs have counted the certificates, and
asks for every page over one kept connection: median and worst of 20, in milliseconds, from
the request's last octet to the answer's last. `--rows 10000000 --events 10000000` is the
size of the goal.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import ssl
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bench.configured import start_configured
from bench.errors import BenchError
from bench.inventory import BATCH, FIRST_US, STEP_US, fill, filled
from bench.results import Goal, at_most
from bench.server import Certctl
from certctl.authority.audit import Chain
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ids import sortable_id
from certctl.settings.variable import infix
from certctl.store import open_records, open_writable

PROFILES = 50
ROUNDS = 20
GOAL_MS = 300
COUNTED_SECONDS = 7_200
DAILY = 200_000
"""Events of the last day: a tenth of ten million devices that renew every two months."""

PAGES = (
    "/",
    "/est",
    "/est/counters?poll=1",
    "/est/activity",
    "/est/activity?kind=serverkeygen",
    "/est/trust",
    "/certificates",
    "/certificates?expires=7",
    "/certificates/{certificate}",
    "/requests",
    "/explain",
    "/profiles",
    "/audit",
    "/audit?action=est_&outcome=failure",
    "/audit?text=nothing-holds-this",
    "/events",
    "/jobs",
    "/keys",
    "/api/v1/stats",
    "/api/v1/admin/est/profiles",
)


def main() -> int:
    """0 when every page meets the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="kept, and taken up again")
    parser.add_argument("--rows", type=int, default=0, help="certificates, at least")
    parser.add_argument("--events", type=int, default=0, help="audit events, at least")
    arguments = parser.parse_args()
    store: Path = arguments.store.absolute()
    data = store / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = f"sqlite:///{data}/certctl.db"
    there = filled(url)
    # They end as they do in life: half of them within the days to come.
    lifetime_us = _lifetime_us(max(there, arguments.rows))
    fill(url, arguments.rows, there=there, lifetime_us=lifetime_us)
    fill_events(url, arguments.events)
    command = Path(sys.executable).with_name("certctl-server")
    variables = _variables(store)
    with start_configured(command, store, variables) as server:
        key = _key(command, data)
        print(f"{_counted(server, key):,.0f} s until the certificates were counted", flush=True)
        goals = times(server, key)
    for goal in goals:
        print(f"{goal.name:45} {goal.measured} ({'met' if goal.met else 'MISSED'})")
    return 0 if all(goal.met for goal in goals) else 1


def fill_events(url: str, wanted: int) -> None:
    """Enrollments, and one refusal among twenty, the last of them of the last day."""
    store = open_writable(url, node="bench")
    records = open_records(url)
    heads = {head.node: head.seq for head in records.chain_heads()}
    records.close()
    with store.transaction() as transaction:
        last = transaction.last_event(store.node)
    chain = Chain(store.node, last)
    there = heads.get(store.node, 0)
    begun, now_us = time.perf_counter(), time.time_ns() // 1_000
    old = max(0, wanted - DAILY)
    for start in range(there, wanted, BATCH):
        numbers = range(start, min(start + BATCH, wanted))
        places = [_when_us(number, old, wanted, now_us) for number in numbers]
        events = [_event(n, at_us) for n, at_us in zip(numbers, places, strict=True)]
        ids = iter([sortable_id(at_us, os.urandom) for at_us in places])
        recorded = chain.extend(events, lambda ids=ids: next(ids))  # type: ignore[misc]
        with store.transaction() as transaction:
            transaction.append_events(recorded)
        chain.advance(recorded)
        if start // 500_000 != (start + BATCH) // 500_000:
            rate = (start - there + BATCH) / (time.perf_counter() - begun)
            print(f"{start + BATCH:12,} events, {rate:,.0f}/s", flush=True)
    store.close()


def times(server: Certctl, key: str) -> list[Goal]:
    """Every page, one after the other."""
    connection = http.client.HTTPSConnection(
        "localhost", server.port, context=ssl.create_default_context(cafile=server.ca), timeout=600
    )
    origin = f"https://localhost:{server.port}"
    body = urlencode({"key": key})
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
    connection.request("POST", "/login", body, form)
    answer = connection.getresponse()
    answer.read()
    cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
    if answer.status != http.client.SEE_OTHER or not cookie:
        raise BenchError(f"the log-in was answered {answer.status}")
    headers = {"Cookie": cookie, "Authorization": f"Bearer {key}"}
    connection.request("GET", "/api/v1/certificates?per_page=1", headers=headers)
    newest = json.loads(connection.getresponse().read())["data"]
    certificate = newest[0]["id"] if newest else ""
    return [
        _timed(connection, path.format(certificate=certificate), headers)
        for path in PAGES
        if certificate or "{" not in path
    ]


def _timed(connection: http.client.HTTPSConnection, path: str, headers: dict[str, str]) -> Goal:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - begun) * 1_000)
        if answer.status != http.client.OK:
            raise BenchError(f"{path} was answered {answer.status}")
    print(f"{path:45} worst {max(taken):9.1f} ms", flush=True)
    return at_most(path, statistics.median(taken), GOAL_MS, " ms")


def _counted(server: Certctl, key: str) -> float:
    """Seconds until the figures of the certificates are there."""
    began = time.monotonic()
    context = ssl.create_default_context(cafile=server.ca)
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=600)
    while True:
        connection.request("GET", "/api/v1/stats", headers={"Authorization": f"Bearer {key}"})
        answer = json.loads(connection.getresponse().read())
        waited = time.monotonic() - began
        if answer["counted_at"] is not None:
            return waited
        if waited > COUNTED_SECONDS:
            raise BenchError(f"the certificates were not counted in {waited:.0f} s")
        time.sleep(1)


def _variables(store: Path) -> dict[str, str]:
    bundle = store / "trust.pem"
    bundle.write_bytes(_anchor())
    paths = [f"fleet-{number}" for number in range(PROFILES)]
    found = {
        "EST_ENABLED": "true",
        "EST_PROFILES": ",".join(paths),
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    for path in paths:
        found |= {
            f"EST_PROFILE_{infix(path)}_{name}": value
            for name, value in {
                "ISSUER_ID": "iss-local",
                "ALLOWED_AUTH_MODES": "mtls,basic",
                "ENROLLMENT_PASSWORD": secrets.token_urlsafe(),
                "MTLS_ENABLED": "true",
                "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
            }.items()
        }
    return found


def _anchor() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Factory")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key(command: Path, data: Path) -> str:
    name = f"bench-{secrets.token_hex(4)}"
    done = subprocess.run(
        [command, "keys", "create", name, "--role", "admin", "--days", "1"],
        env=os.environ | {"CERTCTL_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _lifetime_us(rows: int) -> int:
    """So long that the oldest certificate ends now."""
    now_us = time.time_ns() // 1_000
    return max(90 * DAY_US, now_us - FIRST_US + rows * STEP_US // 1_000)


def _when_us(number: int, old: int, wanted: int, now_us: int) -> int:
    """Evenly over a year, and then over the last day."""
    day_us = now_us - DAY_US
    if number < old:
        return day_us - (old - number) * (364 * DAY_US // max(1, old))
    return day_us + (number - old) * (DAY_US // max(1, wanted - old))


def _event(number: int, at_us: int) -> AuditEvent:
    refused = number % 20 == 7
    action = AuditAction.CSR_POLICY_VIOLATION if refused else AuditAction.SIMPLE_ENROLL_SUCCESS
    return AuditEvent(
        time_us=at_us,
        actor="device:sensor",
        actor_type="device",
        action=action,
        outcome=Outcome.FAILURE if refused else Outcome.SUCCESS,
        profile=f"fleet-{number % PROFILES}",
        resource_type="certificate" if not refused else "request",
        resource_id=f"{number:032x}",
        source_address="192.0.2.1",
        request_id=f"{number:016x}",
        auth_mode="basic",
        tls_version="TLSv1.3",
        details={"subject": f"CN=sensor-{number}", "seconds": at_us // SECOND_US},
    )


if __name__ == "__main__":
    raise SystemExit(main())
