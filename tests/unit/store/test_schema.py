"""The migrated schema is that of the tables, strict, and its audit log append-only."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from certctl.domain.inventory import CertificateFilter, NameMatch
from certctl.store import open_records, open_writable
from certctl.store.migrations import scripts
from certctl.store.queries.crl_entries import _end, _packed
from certctl.store.schema import REVISIONS
from certctl.store.tables import HELD, metadata
from tests.contract.samples import NOW, certificate, event
from tests.harness.schema import of_dialect


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection to a store with one certificate and one event."""
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
        transaction.append_events([event(1)])
    store.close()
    connection = sqlite3.connect(tmp_path / "certctl.db")
    connection.execute("PRAGMA recursive_triggers = ON")
    yield connection
    connection.close()


def test_the_known_revisions_are_those_packaged():
    assert [step.revision for step in scripts().walk_revisions()][::-1] == list(REVISIONS)


# What nobody can compare by parts the next test compares as it is written.
@pytest.mark.filterwarnings("ignore:.* expression-based index:Warning")
@pytest.mark.usefixtures("database")
def test_migrations_lead_to_the_tables(tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path}/certctl.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=of_dialect("sqlite"))
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrations_write_the_same_ddl_as_the_tables(database: sqlite3.Connection, tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path}/plain.db")
    metadata.create_all(engine)
    engine.dispose()
    plain = sqlite3.connect(tmp_path / "plain.db")
    # SQLite puts a column that is added later on the line of the one before it.
    wanted, found = (
        {
            name: sorted(part.strip() for part in re.split(r",\s+|\n", text))
            for name, text in connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index')"
                " AND sql IS NOT NULL AND name <> 'alembic_version'"
            )
        }
        for connection in (plain, database)
    )
    plain.close()
    assert found == wanted


def test_every_table_is_strict(database: sqlite3.Connection):
    strict = dict(
        database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
    )
    assert {name for name in metadata.tables if not strict[name]} == set()
    with pytest.raises(sqlite3.IntegrityError, match="cannot store"):
        database.execute("UPDATE certificates SET not_after_us = 'tomorrow'")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody'",
        "DELETE FROM audit_events",
        "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events",
    ],
)
def test_audit_events_are_append_only(database: sqlite3.Connection, statement: str):
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT id FROM certificates WHERE serial = ? AND issuer_id = 'x'", "serial=?"),
        ("SELECT id FROM certificates WHERE id > ? ORDER BY id", "id>?"),
        (
            "SELECT id FROM certificates WHERE subject_key = ? ORDER BY id DESC",
            "subject_key=?",
        ),
        ("SELECT seq FROM audit_events WHERE node = ? ORDER BY seq DESC", "node=?"),
        (
            "SELECT id FROM certificates WHERE not_after_us > ? ORDER BY not_after_us",
            "not_after_us>?",
        ),
        ("SELECT id FROM certificates WHERE renews = ?", "renews=?"),
        (
            "SELECT event_id FROM outbox WHERE status = 'waiting' AND at_us <= ? ORDER BY at_us",
            "status=? AND at_us<?",
        ),
        (
            "SELECT 1 FROM outbox WHERE channel = 'c' AND subject = ? AND made_us < 1",
            "channel=? AND subject=?",
        ),
    ],
)
def test_look_ups_walk_an_index(database: sqlite3.Connection, statement: str, index: str):
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", (b"",))]
    assert len(plan) == 1, plan
    assert plan[0].startswith("SEARCH")
    assert index in plan[0]


GATES = ("lockouts", "limits", "decisions", "requests", "compromised_keys", "certificate_profiles")
JOBS = ("checkpoints", "leases", "audit_stubs")
INVENTORY = ("certificate_names", "released_holds")
INDEXES = (
    "certificates_profile_certificate_profile_issuer_id_id",
    "certificates_not_after_us_id",
    "certificates_fingerprint",
    "certificates_revoked",
    "certificates_on_hold",
    "certificates_not_est",
    "certificates_tenant",
    "certificates_renews",
    "audit_events_certificate",
)
EVENTS = ("outbox", "notice_marks")
API = ("api_keys", "kept_answers")
PAGES = ("sessions",)
ISSUERS = ("issuers", "issuer_trials")
FIGURES = ("figures", "activity_slots")
CRLS = ("crls", "crl_parts", "crl_partitions")


def test_certificates_of_the_first_schema_are_found_by_name(database: sqlite3.Connection, url: str):
    """Made before names had one comparable form: the first key was of the exact octets."""
    database.execute("UPDATE certificates SET subject_key = x'00112233445566778899aabbccddeeff'")
    database.execute("DROP INDEX ix_certificates_crl_partition")
    database.execute("ALTER TABLE certificates DROP COLUMN crl_partition")
    for table in (
        *GATES,
        *JOBS,
        *INVENTORY,
        *EVENTS,
        *API,
        *PAGES,
        *CRLS,
        *ISSUERS,
        *FIGURES,
        "intents",
    ):
        database.execute(f"DROP TABLE {table}")
    for index in INDEXES:
        database.execute(f"DROP INDEX ix_{index}")
    for index in ("spki_sha256", "crl_entry", "held"):
        database.execute(f"DROP INDEX ix_certificates_{index}")
    database.execute("DROP INDEX ix_repetitions_certificate_id")
    database.execute("DROP INDEX ix_audit_events_id")
    database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.commit()
    open_writable(url, node="one").close()
    records = open_records(url)
    record = certificate(1)
    found = records.newest_valid("demo", record.subject_der, record.san_der, NOW)
    searched = records.search(CertificateFilter(san=NameMatch.parse_san("dns:device-1.*")), NOW)
    records.close()
    assert [each.id for each in searched.rows] == [record.id]
    assert found is not None
    assert found.id == record.id


def test_crls_are_made_without_touching_the_table(database: sqlite3.Connection):
    """Or a list of a million would read a million random pages."""
    dialect = create_engine("sqlite://").dialect
    for statement, values in (
        (_packed(dialect, ""), ("i", 0, 0, 0, 9)),
        (_end(dialect, ""), ("i", 0, 9)),
    ):
        (step,) = database.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        index = "ix_certificates_crl_entry (issuer_id=? AND revoked_us>"
        assert f"USING COVERING INDEX {index}" in step[-1]
    for statement, values in (
        (_packed(dialect, "AND crl_partition = 3"), ("i", 0, 0, 0, 9)),
        (_end(dialect, "AND crl_partition = 3"), ("i", 0, 9)),
    ):
        (step,) = database.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        index = "ix_certificates_crl_partition (issuer_id=? AND crl_partition=? AND revoked_us>"
        assert f"USING COVERING INDEX {index}" in step[-1]
    counted = f"SELECT count(*) FROM certificates WHERE issuer_id = ? AND {HELD}"  # noqa: S608 - ours
    plan = database.execute(f"EXPLAIN QUERY PLAN {counted}", ("i",)).fetchall()
    assert "USING COVERING INDEX ix_certificates_held" in plan[0][-1]


def test_digests_of_crls_become_those_of_what_is_signed(database: sqlite3.Connection, url: str):
    """Before, they were of the whole: a worker would take it for damaged."""
    database.execute(
        "INSERT INTO crls VALUES ('i', 7, 0, 1, 2, 1, 0, '0', x'aa', x'bb', 2, 5, zeroblob(32))"
    )
    for later in ("issuer_trials", "issuers", "crl_partitions"):
        database.execute(f"DROP TABLE {later}")
    database.execute("DROP INDEX ix_certificates_crl_partition")
    database.execute("ALTER TABLE certificates DROP COLUMN crl_partition")
    database.execute("DROP INDEX ix_certificates_crl_entry")
    database.execute("CREATE INDEX ix_certificates_crl ON certificates (issuer_id)")
    database.execute("ALTER TABLE crls DROP COLUMN listed_us")
    database.execute("ALTER TABLE crls DROP COLUMN before")
    for table in ("crls", "crl_parts"):
        database.execute(f"ALTER TABLE {table} RENAME COLUMN scope TO issuer_id")
    database.execute("INSERT INTO crl_parts VALUES ('i', 7, 0, x'01'), ('i', 7, 1, x'0203')")
    database.execute("INSERT INTO crl_parts VALUES ('i', 6, 0, x'09'), ('i', 7, 2, x'09')")
    database.execute("UPDATE alembic_version SET version_num = '0013'")
    database.commit()
    open_writable(url, node="one").close()
    row = database.execute("SELECT digest, listed_us FROM crls").fetchone()
    assert row == (hashlib.sha256(b"\1\2\3").digest(), 0)
