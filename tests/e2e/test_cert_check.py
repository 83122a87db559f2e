# ruff: noqa: S608 - statements out of our own words
"""cert-check on a real server's database: whatever is planted by SQL is found."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
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

# Rows by name: ids rise with time, and the server's own certificate is the first.
PICK = "(SELECT id FROM certificates WHERE subject = 'CN={}')"
ONE = PICK.format("device-1")
TWO = PICK.format("device-2")
REVOKED = PICK.format("device-3")
RELEASED = PICK.format("device-5")
IN_BULK = PICK.format("device-6")
IMPORTED = "(SELECT id FROM certificates WHERE source = 'API')"

SEVENS = "07" * 20

Plant = Callable[[sqlite3.Connection], object]


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


def forged(*, ca: bool) -> Plant:
    """Another certificate in the row of device-1, with a fingerprint that fits."""

    def put(connection: sqlite3.Connection) -> None:
        (der,) = connection.execute(f"SELECT der FROM certificates WHERE id = {ONE}").fetchone()
        real = x509.load_der_x509_certificate(der)
        builder = (
            x509.CertificateBuilder()
            .subject_name(real.subject)
            .issuer_name(real.issuer)
            .public_key(real.public_key())
            .serial_number(real.serial_number)
            .not_valid_before(real.not_valid_before_utc)
            .not_valid_after(real.not_valid_after_utc)
        )
        for extension in real.extensions:
            value = extension.value
            if isinstance(value, x509.BasicConstraints):
                value = x509.BasicConstraints(ca=ca, path_length=None)
            builder = builder.add_extension(value, critical=extension.critical)
        forgery = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        connection.execute(
            f"UPDATE certificates SET der = ?, fingerprint = ? WHERE id = {ONE}",
            (forgery.public_bytes(Encoding.DER), forgery.fingerprint(hashes.SHA256())),
        )

    return put


def events_of(certificate: str) -> str:
    return f"resource_type = 'certificate' AND resource_id = {certificate}"


COPY_EVENT = (
    "INSERT INTO audit_events SELECT node, (SELECT max(seq) FROM audit_events) + 1, id || 'x',"
    " time_us, actor, actor_type, action, outcome, profile, resource_type, {resource},"
    " source_address, request_id, auth_mode, client_certificate_subject,"
    " client_certificate_serial, tls_version, count, details, tenant, previous_digest, digest"
    " FROM audit_events WHERE " + events_of("{certificate}")
)

PLANTED: dict[str, tuple[list[str | Plant], set[str]]] = {
    "no certificate": ([f"UPDATE certificates SET der = x'3000' WHERE id = {ONE}"], {"unreadable"}),
    "cut short": (
        [f"UPDATE certificates SET der = substr(der, 1, 200) WHERE id = {ONE}"],
        {"unreadable"},
    ),
    "one octet of it": (
        [
            (
                "UPDATE certificates"
                " SET der = CAST(substr(der, 1, length(der) - 1) || x'00' AS BLOB)"
                f" WHERE id = {ONE}"
            )
        ],
        {"fingerprint", "signature"},
    ),
    "another's certificate": (
        [
            (
                f"UPDATE certificates SET der = (SELECT der FROM certificates WHERE id = {TWO})"
                f" WHERE id = {ONE}"
            )
        ],
        {"serial", "fingerprint", "key", "subject", "sans", "subject_key", "duplicate", "names"},
    ),
    "serial": (
        [f"UPDATE certificates SET serial = x'{'07' * 20}' WHERE id = {ONE}"],
        {"serial"},
    ),
    "subject shown": (
        [f"UPDATE certificates SET subject = 'CN=nurse' WHERE id = {ONE}"],
        {"subject"},
    ),
    "subject": ([f"UPDATE certificates SET subject_der = x'3000' WHERE id = {ONE}"], {"subject"}),
    "sans shown": ([f"UPDATE certificates SET sans = '[]' WHERE id = {ONE}"], {"sans"}),
    "sans not even JSON": ([f"UPDATE certificates SET sans = '[' WHERE id = {ONE}"], {"sans"}),
    "sans": ([f"UPDATE certificates SET san_der = x'' WHERE id = {ONE}"], {"sans"}),
    "names a renewal looks for": (
        [f"UPDATE certificates SET subject_key = zeroblob(16) WHERE id = {ONE}"],
        {"subject_key"},
    ),
    "validity": (
        [f"UPDATE certificates SET not_after_us = not_after_us + 1 WHERE id = {ONE}"],
        {"validity"},
    ),
    "key": ([f"UPDATE certificates SET spki_sha256 = zeroblob(32) WHERE id = {ONE}"], {"key"}),
    "key shown": (
        [f"UPDATE certificates SET key_algorithm = 'RSA-8192' WHERE id = {ONE}"],
        {"key"},
    ),
    "fingerprint": (
        [f"UPDATE certificates SET fingerprint = zeroblob(32) WHERE id = {ONE}"],
        {"fingerprint"},
    ),
    "signed by somebody else": ([forged(ca=False)], {"signature"}),
    "a CA": ([forged(ca=True)], {"signature", "powers"}),
    "issuer": ([f"UPDATE certificates SET issuer_id = 'other' WHERE id = {ONE}"], {"issuer"}),
    "another CA on record": (["UPDATE ca SET fingerprint = zeroblob(32)"], {"issuer"}),
    "revoked in silence": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'superseded' WHERE id = {ONE}"
            )
        ],
        {"events"},
    ),
    "revocation undone": (
        [
            (
                "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
                f" revocation_reason = NULL WHERE id = {REVOKED}"
            )
        ],
        {"events"},
    ),
    "revocation half undone": (
        [f"UPDATE certificates SET status = 'valid' WHERE id = {REVOKED}"],
        {"status", "events"},
    ),
    "unknown reason": (
        [f"UPDATE certificates SET revocation_reason = 'whim' WHERE id = {REVOKED}"],
        {"status"},
    ),
    "revoked before issued": (
        [f"UPDATE certificates SET revoked_us = 1 WHERE id = {REVOKED}"],
        {"status"},
    ),
    "compromised key forgotten": (["DELETE FROM compromised_keys"], {"key"}),
    "issuance without event": ([f"DELETE FROM audit_events WHERE {events_of(ONE)}"], {"events"}),
    "two events of one issuance": (
        [COPY_EVENT.format(resource="resource_id", certificate=ONE)],
        {"events"},
    ),
    "event of no certificate": (
        [COPY_EVENT.format(resource="'ghost'", certificate=ONE)],
        {"missing"},
    ),
    "certificate gone": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {ONE}",
            f"DELETE FROM certificate_names WHERE certificate_id = {ONE}",
            f"DELETE FROM certificates WHERE id = {ONE}",
        ],
        {"missing"},
    ),
    "repetition of nothing": (
        [f"UPDATE repetitions SET certificate_id = 'ghost' WHERE certificate_id = {ONE}"],
        {"repetition"},
    ),
    "its names left behind": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {ONE}",
            f"DELETE FROM audit_events WHERE {events_of(ONE)}",
            f"DELETE FROM certificates WHERE id = {ONE}",
        ],
        {"names"},
    ),
    "a name forgotten": (
        [f"DELETE FROM certificate_names WHERE certificate_id = {ONE} AND kinds = 2"],
        {"names"},
    ),
    "a name of another kind": (
        [f"UPDATE certificate_names SET kinds = kinds + 1 WHERE certificate_id = {ONE}"],
        {"names"},
    ),
    "a name too many": (
        [f"INSERT INTO certificate_names VALUES (CAST('nurse' AS BLOB), {ONE}, 1)"],
        {"names"},
    ),
    "a name of nothing": (
        ["INSERT INTO certificate_names VALUES (CAST('nurse' AS BLOB), 'ghost', 1)"],
        {"names"},
    ),
    "released in silence": (
        [f"INSERT INTO released_holds VALUES ({ONE}, 1)"],
        {"events"},
    ),
    "a release forgotten": (["DELETE FROM released_holds"], {"events"}),
    "a release undone": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'certificateHold' WHERE id = {RELEASED}"
            )
        ],
        {"events"},
    ),
    "a release without event": (
        ["DELETE FROM audit_events WHERE action = 'certificate_released'"],
        {"events"},
    ),
    "revoked in bulk by nobody": (
        ["DELETE FROM audit_events WHERE action = 'est_bulk_revoke'"],
        {"events"},
    ),
    "imported, and revoked in bulk": (
        [
            COPY_EVENT.format(resource=IMPORTED, certificate=IN_BULK)
            + " AND action = 'certificate_revoked'",
            (
                "UPDATE certificates SET status = 'revoked', revoked_us = issued_us + 1,"
                f" revocation_reason = 'superseded' WHERE id = {IMPORTED}"
            ),
        ],
        {"events"},
    ),
    "imported in silence": (
        ["DELETE FROM audit_events WHERE action = 'certificate_imported'"],
        {"events"},
    ),
    "imported into a profile": (
        [f"UPDATE certificates SET profile = 'open' WHERE id = {IMPORTED}"],
        {"source"},
    ),
    "of a foreign CA, and not imported": (
        [f"UPDATE certificates SET issuer_id = 'external:old' WHERE id = {ONE}"],
        {"source"},
    ),
    "imported, and its subject": (
        ["UPDATE certificates SET subject = 'CN=nurse' WHERE source = 'API'"],
        {"subject"},
    ),
    "outside its profile": (
        [
            (
                "INSERT INTO certificate_profiles VALUES ('strict', 1,"
                """ '{"allowed_ekus": ["serverAuth"]}', 0)"""
            ),
            f"UPDATE certificates SET certificate_profile = 'strict' WHERE id = {ONE}",
        ],
        {"profile"},
    ),
}


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


def forged_crl(connection: sqlite3.Connection) -> None:
    """What stands on the CRL, signed by another key."""
    (issuer,) = connection.execute(f"SELECT der FROM certificates WHERE id = {ONE}").fetchone()
    (number,) = connection.execute("SELECT number FROM crls").fetchone()
    moment = datetime.now(UTC)
    der = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_der_x509_certificate(issuer).issuer)
        .last_update(moment)
        .next_update(moment + timedelta(days=1))
        .add_extension(x509.CRLNumber(number), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    connection.execute(
        "UPDATE crls SET front = ?, back = x'', parts = 0, digest = ?",
        (der, hashlib.sha256(der).digest()),
    )


PLANTED_IN_CRLS: dict[str, tuple[list[str | Plant], str]] = {
    "revoked, and not on it": (
        [
            (
                "UPDATE certificates SET status = 'revoked', revocation_reason = 'superseded',"
                " revoked_us = (SELECT this_update_us - 6000000 FROM crls)"
                f" WHERE id = {ONE}"
            )
        ],
        "revoked, and not on CRL",
    ),
    "on it, and not revoked": (
        [
            (
                "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
                f" revocation_reason = NULL WHERE id = {REVOKED}"
            )
        ],
        "and it is not revoked",
    ),
    "on it, and nowhere else": (
        [
            f"DELETE FROM repetitions WHERE certificate_id = {IN_BULK}",
            f"DELETE FROM certificates WHERE id = {IN_BULK}",
        ],
        "and no such certificate is on record",
    ),
    "other octets": (
        ["UPDATE crl_parts SET octets = zeroblob(length(octets))"],
        "its octets are not those that were signed",
    ),
    "no octets": (["DELETE FROM crl_parts"], "its octets are not those that were signed"),
    "another number": (
        ["UPDATE crl_parts SET number = number + 100", "UPDATE crls SET number = number + 100"],
        "it says that it is number",
    ),
    "signed by somebody else": ([forged_crl], "it is not signed by its CA"),
    "no CRL at all": (
        [
            (
                "UPDATE crls SET front = x'3000', back = x'', parts = 0,"
                f" digest = x'{hashlib.sha256(bytes.fromhex('3000')).hexdigest()}'"
            )
        ],
        "it cannot be read",
    ),
}


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
    table = run_command(server, "cert-check", settings=url)
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
