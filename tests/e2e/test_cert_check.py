# ruff: noqa: S608 - statements out of our own words
"""cert-check on a real server's database: whatever is planted by SQL is found."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certctl.domain.ids import made_us
from certctl.domain.inspection import Finding
from certctl.domain.ports import Records
from certctl.settings import load_settings
from certctl.store import open_records
from certctl.wiring.cert_check import cert_check
from tests.e2e.planted_rows import (
    COPY_EVENT,
    IMPORTED,
    IN_BULK,
    ONE,
    PLANTED,
    PLANTED_IN_CRLS,
    RELEASED,
    REVOKED,
    Plant,
)
from tests.harness.commands import data_of, run_command
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.published import CRL_SECONDS, eventually
from tests.harness.server import RunningServer, configured_server

ENROLL = "/.well-known/est/open/simpleenroll"
SETTINGS = {
    "EST_PROFILES": "open",
    "EST_PROFILE_OPEN_ISSUER_ID": "iss-local",
    "WORKERS": "1",
    "CRL_DEBOUNCE": "0s",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("checked")
    with configured_server(directory, SETTINGS) as running:
        for number in range(1, 7):
            device = Device(
                directory, f"device-{number}", san=[x509.DNSName(f"device-{number}.example.org")]
            )
            body = device.body()
            # The same once more is answered with the same, and told by a second event.
            for _ in range(2):
                assert device.enroll(running, ENROLL, body=body).status == 200
        records = running.records()
        serials = {each.subject: each.serial for each in records.certificates()}
        records.close()
        foreign = directory / "foreign.pem"
        foreign.write_bytes(_foreign_certificate())
        held = serials["CN=device-5"]
        for command in (
            ("revoke", serials["CN=device-3"], "--reason", "keyCompromise"),
            ("revoke", held, "--reason", "certificateHold"),
            ("release", held),
            ("bulk-revoke", "--serial", serials["CN=device-6"], "--reason=superseded", "--yes"),
            ("import", str(foreign), "--issuer", "old"),
        ):
            done = run_command(running, "certificates", *command)
            assert done.returncode == 0, done.stderr
        records = running.records()
        eventually(lambda: _is_listed(records), CRL_SECONDS)
        records.close()
        yield running


def _is_listed(records: Records) -> bool:
    """Whether the newest CRL was made after all that was revoked."""
    crl = records.crl("iss-local")
    return crl is not None and crl.stamp == records.revocation_stamp("iss-local")


def _foreign_certificate() -> bytes:
    """Of a key that we would not certify."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Old device")])
    moment = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ForeignCA("Old CA").certificate.subject)
        .public_key(weak.public_key())
        .serial_number(7)
        .not_valid_before(moment)
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.fixture
def copy(listed: Path) -> Path:
    """Without a CRL too: there nothing planted is too young for one."""
    plant(listed, "DELETE FROM crls")
    return listed


@pytest.fixture
def listed(server: RunningServer, tmp_path: Path) -> Path:
    """The database as it is now, without what keeps hands from it."""
    target = tmp_path / "certctl.db"
    with (
        closing(sqlite3.connect(server.database)) as source,
        closing(sqlite3.connect(target)) as copied,
    ):
        source.backup(copied)
        for verb in ("update", "delete"):
            copied.execute(f"DROP TRIGGER audit_events_no_{verb}")
        copied.commit()
    target.chmod(0o600)
    return target


def findings(server: RunningServer, database: Path) -> list[Finding]:
    settings = load_settings(
        server.environment | {"CERTCTL_DATABASE_URL": f"sqlite:///{database}"},
        None,
        check_files=False,
    )
    records = open_records(settings.server.database_url)
    try:
        return list(cert_check(settings, records, lambda *_: None))
    finally:
        records.close()


def plant(database: Path, *statements: str | Plant) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            if callable(statement):
                statement(connection)
            else:
                assert connection.execute(statement).rowcount > 0, statement


def test_what_was_held_released_imported_and_revoked_in_bulk_fits(
    server: RunningServer, copy: Path
):
    with closing(sqlite3.connect(copy)) as connection:
        for wanted in (RELEASED, IN_BULK, IMPORTED):
            assert connection.execute(f"SELECT {wanted}").fetchone()[0]
    assert findings(server, copy) == []


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(server: RunningServer, copy: Path, name: str):
    statements, wanted = PLANTED[name]
    plant(copy, *statements)
    found = findings(server, copy)
    assert {each.kind for each in found} == wanted, found


@pytest.mark.parametrize("name", PLANTED_IN_CRLS)
def test_what_does_not_fit_its_crl_is_found(server: RunningServer, listed: Path, name: str):
    statements, problem = PLANTED_IN_CRLS[name]
    assert findings(server, listed) == []
    plant(listed, *statements)
    (found,) = [each for each in findings(server, listed) if each.kind == "crl"]
    assert problem in found.problem


def test_one_released_after_its_crl_is_not_found(server: RunningServer, listed: Path):
    plant(
        listed,
        "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
        f" revocation_reason = NULL WHERE id = {REVOKED}",
        f"INSERT INTO released_holds SELECT {REVOKED}, this_update_us + 1 FROM crls",
    )
    assert [each for each in findings(server, listed) if each.kind == "crl"] == []


@pytest.mark.parametrize("dropped", [ONE, IMPORTED])
def test_what_retention_has_dropped_is_not_missed(server: RunningServer, copy: Path, dropped: str):
    """And nothing else: what had not ended by then cannot have been dropped."""

    def drop(connection: sqlite3.Connection) -> None:
        (gone,) = connection.execute(f"SELECT {dropped}").fetchone()
        moment = made_us(gone)
        assert moment is not None
        connection.execute("DELETE FROM repetitions WHERE certificate_id = ?", (gone,))
        connection.execute("DELETE FROM certificate_names WHERE certificate_id = ?", (gone,))
        connection.execute("DELETE FROM certificates WHERE id = ?", (gone,))
        for column, value in (
            ("action", "record_retention"),
            ("resource_type", "certificates"),
            ("details", json.dumps({"expired_before_us": moment + 1})),
        ):
            connection.execute(
                f"UPDATE audit_events SET {column} = ?"
                " WHERE seq = (SELECT max(seq) FROM audit_events)",
                (value,),
            )

    plant(copy, COPY_EVENT.format(resource="''", certificate=ONE) + " LIMIT 1", drop)
    assert findings(server, copy) == []
    plant(
        copy,
        "UPDATE audit_events SET details = '{\"expired_before_us\": 1}'"
        " WHERE action = 'record_retention'",
    )
    assert {each.kind for each in findings(server, copy)} == {"missing"}


def test_profiles_of_unknown_history_judge_nothing(server: RunningServer, copy: Path):
    """A rule that came later says nothing about what was issued before."""
    plant(
        copy,
        "INSERT INTO certificate_profiles VALUES ('strict', 1,"
        """ '{"allowed_ekus": ["serverAuth"]}', 99999999999999999)""",
        f"UPDATE certificates SET certificate_profile = 'strict' WHERE id = {ONE}",
    )
    assert findings(server, copy) == []


def test_it_works_beside_a_server_that_issues(server: RunningServer):
    stopping, many = threading.Event(), threading.Event()

    def enroll() -> None:
        number = 100
        while not stopping.is_set():
            device = Device(server.directory, f"device-{number}")
            assert device.enroll(server, ENROLL).status == 200
            number += 1
            if number == 110:
                many.set()

    thread = threading.Thread(target=enroll)
    thread.start()
    try:
        assert many.wait(30)
        done = run_command(server, "cert-check", "--output", "json")
        inside = [findings(server, server.database) for _ in range(5)]
    finally:
        stopping.set()
        thread.join(30)
    assert inside == [[]] * 5
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert said["findings"] == []
    assert said["certificates"] >= 15


def test_findings_end_it_with_8_in_both_forms(server: RunningServer, copy: Path):
    plant(copy, f"UPDATE certificates SET subject = 'CN=\x1b[31mred' WHERE id = {ONE}")
    url = {"DATABASE_URL": f"sqlite:///{copy}"}
    table = run_command(server, "cert-check", "--output", "table", settings=url)
    assert table.returncode == 8
    assert "subject" in table.stdout
    assert "\x1b" not in table.stdout
    assert "1 findings" in table.stdout
    said = json.loads(run_command(server, "cert-check", "--output=json", settings=url).stdout)
    assert [each["kind"] for each in said["findings"]] == ["subject"]
    assert said["findings"][0]["serial"]


def test_another_ca_file_is_told_once(server: RunningServer, tmp_path: Path):
    data = tmp_path / "data"
    shutil.copytree(data_of(server), data, ignore=shutil.ignore_patterns("run"))
    (data / "ca-iss-local.pem").unlink()
    moved = configured_server(tmp_path, SETTINGS | {"DATA_DIR": str(data)})
    (only,) = findings(moved, data / "certctl.db")
    assert only.kind == "issuer"
    assert "signatures are not checked" in only.problem
