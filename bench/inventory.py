"""Pages of a large inventory: `python -m bench.inventory --rows 1000000 --dir FOLDER`.

Fills a store with synthetic certificates by the store's own commands (no signature, no
process tree), or takes one up that was filled before, and times a page of each kind of
filter, best and worst of some rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from bench.bulk_fill import bulk_fill
from bench.results import Fact, Goal, at_most
from certctl.domain.certificates import CertificateRecord, CertificateSource, CertificateStatus
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ids import sortable_id
from certctl.domain.inventory import CertificateFilter, NameMatch, WantedStatus
from certctl.store import SqlRecords, open_records, open_writable

BATCH = 2_000
FIRST_US = 1_780_000_000 * SECOND_US
"""When the first certificate was issued; then one each sixteen seconds: the first of a
million had expired, and some expire within a week."""

STEP_US = 16 * SECOND_US

LIFETIME_US = 90 * DAY_US
PAGE = 100
ROUNDS = 20
GOAL_MS = 50
FLEETS = 8
RARE = 10_000
"""One in so many is of a rare profile, imported, on hold, of a tenant."""


def main() -> int:
    """0 when every page meets the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.inventory", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bulk", action="store_true", help="fill without indexes, then build them")
    parser.add_argument("--dir", type=Path, help="keep the store here, or take it up from here")
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="inventory-", dir=Path.cwd()))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        url = f"sqlite:///{folder}/certctl.db"
        if arguments.bulk:
            there, model = filled(url), _model()
            rows = range(there, arguments.rows)
            bulk_fill(folder / "certctl.db", rows, partial(certificate, model))
        else:
            fill(url, arguments.rows, there=filled(url))
        records = open_records(url)
        facts, goals = times(records, arguments.rows)
        records.close()
        facts.append(Fact(name="store", value=f"{_size(folder) / 1e9:.2f} GB"))
    finally:
        if arguments.dir is None:
            shutil.rmtree(folder)
    for fact in facts:
        print(f"{fact.name:45} {fact.value}")
    for goal in goals:
        print(f"{goal.name:45} {goal.measured} ({'met' if goal.met else 'MISSED'})")
    return 0 if all(goal.met for goal in goals) else 1


def filled(url: str) -> int:
    """How many certificates an earlier run has left there."""
    open_writable(url, node="bench").close()
    records = open_records(url)
    newest = records.search(CertificateFilter(), 0, limit=1).rows
    records.close()
    return _number(newest[0].id) + 1 if newest else 0


def fill(url: str, rows: int, *, there: int = 0, lifetime_us: int = LIFETIME_US) -> None:
    """Bring the store from so many certificates to ``rows``."""
    store = open_writable(url, node="bench")
    begun, last = time.perf_counter(), there
    model = _model()
    for start in range(there, rows, BATCH):
        with store.transaction() as transaction:
            batch = [
                certificate(model, n, lifetime_us=lifetime_us)
                for n in range(start, min(start + BATCH, rows))
            ]
            transaction.record_certificates(batch)
        if start - last >= 100_000:
            spent = time.perf_counter() - begun
            print(f"{start:12,} rows, {(start - there) / spent:,.0f}/s", flush=True)
            last = start
    store.close()


def certificate(
    model: CertificateRecord, number: int, *, lifetime_us: int = LIFETIME_US
) -> CertificateRecord:
    """Certificate ``number``: every hash and name its own, the long values as in life."""
    scattered = hashlib.sha256(number.to_bytes(8, "big")).digest()
    common_name = f"sensor-{scattered[:5].hex()}"
    issued_us = FIRST_US + number * STEP_US
    rare = number % RARE == 0
    return replace(
        model,
        id=_id(number),
        serial=((0x4000_0000 | issued_us // SECOND_US >> 2) << 128 | number).to_bytes(20).hex(),
        profile="rare" if rare else f"fleet-{number % FLEETS}",
        certificate_profile=f"cp-{number % 3}",
        principal=common_name if number % 2 else "fleet",
        subject=f"CN={common_name}",
        subject_der=model.subject_der.replace(b"sensor-0123456789", common_name.encode()),
        sans=(f"dns:{common_name}.example.org",),
        san_der=scattered,
        spki_sha256=hashlib.sha256(scattered).digest(),
        fingerprint=scattered,
        not_before_us=issued_us,
        not_after_us=issued_us + lifetime_us,
        issued_us=issued_us,
        source=CertificateSource.API if rare else CertificateSource.EST,
        tenant="tenant" if rare else None,
        status=CertificateStatus.REVOKED if number % 100 == 7 else CertificateStatus.VALID,
        revoked_us=issued_us if number % 100 == 7 else None,
        revocation_reason=_reason(number),
    )


def times(records: SqlRecords, rows: int) -> tuple[list[Fact], list[Goal]]:
    """One page of each kind of filter."""
    middle = rows // 2
    some = certificate(_model(), middle)
    now_us = FIRST_US + rows * STEP_US
    name = NameMatch(text=some.subject.removeprefix("CN="))
    filters = {
        "newest": CertificateFilter(),
        "CN": CertificateFilter(cn=name),
        "CN, beginning": CertificateFilter(cn=NameMatch.parse("sensor-ab*")),
        "CN, beginning, and revoked": CertificateFilter(
            cn=NameMatch.parse("sensor-a*"), status=WantedStatus.REVOKED
        ),
        "SAN": CertificateFilter(san=NameMatch.parse_san(some.sans[0])),
        "serial": CertificateFilter(serial=some.serial),
        "fingerprint": CertificateFilter(fingerprint=some.fingerprint),
        "key": CertificateFilter(spki_sha256=some.spki_sha256),
        "principal of half of them": CertificateFilter(principal=NameMatch(text="fleet")),
        "EST profile": CertificateFilter(profile="fleet-3"),
        "rare EST profile": CertificateFilter(profile="rare"),
        "certificate profile": CertificateFilter(certificate_profile="cp-1"),
        "issuer": CertificateFilter(issuer_id="iss-local"),
        "valid": CertificateFilter(status=WantedStatus.VALID),
        "revoked": CertificateFilter(status=WantedStatus.REVOKED),
        "on hold": CertificateFilter(status=WantedStatus.HOLD),
        "expired": CertificateFilter(status=WantedStatus.EXPIRED),
        "expires within a week": CertificateFilter(
            expires_from_us=now_us, expires_before_us=now_us + 7 * DAY_US
        ),
        "expires within a week, one profile": CertificateFilter(
            expires_from_us=now_us, expires_before_us=now_us + 7 * DAY_US, profile="fleet-3"
        ),
        "issued on one day": CertificateFilter(
            issued_from_us=some.issued_us, issued_before_us=some.issued_us + DAY_US
        ),
        "source": CertificateFilter(source=CertificateSource.API),
        "tenant": CertificateFilter(tenant="tenant"),
        "profile and revoked": CertificateFilter(profile="fleet-3", status=WantedStatus.REVOKED),
        "nothing has all of it": CertificateFilter(
            profile="fleet-3", principal=NameMatch(text="fleet"), status=WantedStatus.REVOKED
        ),
    }
    facts, goals = [], []
    for kind, wanted in filters.items():
        taken, page = [], None
        cpu = time.process_time()
        cursor: str | None = None
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            page = records.search(wanted, now_us, limit=PAGE, cursor=cursor)
            taken.append((time.perf_counter() - begun) * 1_000)
            cursor = page.cursor
        found = len(page.rows) if page else 0
        cpu = (time.process_time() - cpu) * 1_000 / ROUNDS
        facts.append(
            Fact(name=f"{kind}: {found} rows", value=f"{cpu:.1f} ms CPU, worst {max(taken):.1f} ms")
        )
        median = sorted(taken)[ROUNDS // 2]
        goals.append(at_most(f"{kind}: median of {ROUNDS}", median, GOAL_MS, " ms"))
    return facts, goals


def _model() -> CertificateRecord:
    """One that is like a device's, whose long values all others share."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sensor-0123456789")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    csr = request.public_bytes(Encoding.DER)
    return CertificateRecord(
        id="",
        serial="",
        profile="",
        certificate_profile="",
        issuer_id="iss-local",
        principal="",
        auth_mode="basic",
        subject="",
        subject_der=name.public_bytes(),
        sans=(),
        san_der=b"",
        key_algorithm="EC P-256",
        spki_sha256=b"",
        fingerprint=b"",
        not_before_us=0,
        not_after_us=0,
        issued_us=0,
        der=os.urandom(620),
        csr_der=csr,
        csr_sha256=hashlib.sha256(csr).digest(),
        source=CertificateSource.EST,
        source_address="192.0.2.1",
        tls_version="TLSv1.3",
        channel_binding="",
    )


def _reason(number: int) -> str | None:
    if number % 100 != 7:
        return None
    return "certificateHold" if number % RARE == 7 else "superseded"


def _id(number: int) -> str:
    return sortable_id(FIRST_US + number * STEP_US, lambda count: number.to_bytes(count, "big"))


def _number(certificate_id: str) -> int:
    return int(certificate_id[12:], 16)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    yield from folder.glob("certctl.db*")


if __name__ == "__main__":
    raise SystemExit(main())
