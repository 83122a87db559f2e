"""PostgreSQL beneath the store: opening, refusing, losing the connection, two writers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.errors import StoreUnavailable
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.ports import Contended, DuplicateKey, RunAgain
from certctl.store import (
    NodeInUse,
    SchemaOutdated,
    SchemaTooNew,
    SqlStore,
    StoreAway,
    StoreCorrupt,
    StoreNotDurable,
    StoreUnopenable,
    migrate_store,
    open_records,
    open_worker_records,
    open_writable,
)
from certctl.store.faults import meaning
from certctl.store.schema import REVISIONS
from certctl.store.tables import metadata
from tests.conftest import private_postgres
from tests.contract.samples import NOW, certificate, event
from tests.harness.postgres import PASSWORD, PrivatePostgres
from tests.harness.replacing import replace
from tests.harness.schema import of_dialect

WAIT_SECONDS = 30.0


@pytest.fixture
def url(postgres: PrivatePostgres) -> str:
    """In place of the folder's: a migrated database on PostgreSQL."""
    return postgres.migrated()


@pytest.fixture
def stores(url: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two nodes on one database."""
    one, two = open_writable(url, node="one"), open_writable(url, node="two")
    yield one, two
    one.close()
    two.close()


@pytest.fixture
def store(stores: tuple[SqlStore, SqlStore]) -> SqlStore:
    return stores[0]


def end_sessions(postgres: PrivatePostgres, url: str) -> None:
    """As an operator or a restart does, from outside."""
    name = url.rpartition("/")[2]
    postgres.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid()",
        None,
        name,
    )


def test_migrations_lead_to_the_tables(url: str) -> None:
    engine = create_engine(url.replace("postgresql", "postgresql+psycopg"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=of_dialect("postgresql"))
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_text_compares_by_its_octets(url: str, postgres: PrivatePostgres) -> None:
    columns = postgres.execute(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'text'",
        url,
    )
    assert len(columns) > 50
    assert [each for each in columns if each[2] != "C"] == []


@pytest.mark.parametrize("table", ["audit_events", "audit_stubs", "checkpoints"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET {} = {}"])
def test_the_trail_is_append_only(url: str, table: str, statement: str) -> None:
    """Also for the owner of the tables, and where a replica's rules hold."""
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.append_events([event(1)])
    store.close()
    column = {"audit_events": "actor", "audit_stubs": "node"}.get(table, "heads")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            connection.execute(statement.format(table, column, column).encode())


def test_a_reader_cannot_write(url: str) -> None:
    records = open_records(url)

    def write(connection: object) -> None:
        connection.exec_driver_sql("DELETE FROM leases")  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable):
        records._ask(write)
    records.close()


def test_commits_that_may_be_lost_are_refused(url: str, postgres: PrivatePostgres) -> None:
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(StoreNotDurable, match="synchronous_commit = off"):
        open_writable(url, node="one")


def test_a_store_that_stops_being_durable_stops_issuing(
    url: str, store: SqlStore, postgres: PrivatePostgres
) -> None:
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    end_sessions(postgres, url)
    with pytest.raises(StoreUnavailable), store.transaction() as transaction:
        transaction.append_events([event(1)])
    with pytest.raises(StoreUnavailable), store.transaction():
        pass
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    with store.transaction() as transaction:
        transaction.append_events([event(1)])


def test_a_server_never_migrates(postgres: PrivatePostgres) -> None:
    url = postgres.database()
    for opening in (lambda: open_writable(url, node="one"), lambda: open_records(url)):
        with pytest.raises(SchemaOutdated, match="certctl-server migrate"):
            opening()
    assert migrate_store(url) == ""
    assert migrate_store(url) == REVISIONS[-1]
    open_writable(url, node="one").close()


def test_a_newer_and_a_foreign_database_are_refused(url: str, postgres: PrivatePostgres) -> None:
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", url)
    for opening in (lambda: open_writable(url, node="one"), lambda: migrate_store(url)):
        with pytest.raises(SchemaTooNew):
            opening()
    foreign = postgres.database()
    postgres.execute("CREATE TABLE somebody (id int)", foreign)
    for opening in (lambda: open_writable(foreign, node="one"), lambda: migrate_store(foreign)):
        with pytest.raises(StoreCorrupt, match="not of certctl"):
            opening()


def test_a_wrong_password_is_told_without_it(url: str) -> None:
    wrong = url.replace(PASSWORD, "hunter2")
    with pytest.raises(StoreUnopenable, match="authentication failed") as refused:
        open_writable(wrong, node="one")
    assert "hunter2" not in f"{refused.value}{refused.value!r}{refused.value.__cause__}"


@pytest.mark.parametrize("wrong", [f":{PASSWORD}@", "/t_"])
def test_what_only_a_person_can_mend_is_not_called_away(url: str, wrong: str) -> None:
    """A wrong password and a database that is not there."""
    with pytest.raises(StoreUnopenable) as refused:
        open_writable(url.replace(wrong, f"{wrong[:-1]}x{wrong[-1]}"), node="one")
    assert not isinstance(refused.value, StoreAway)


def test_a_database_that_is_stopping_or_stopped_is_away() -> None:
    for postgres in private_postgres():
        url = postgres.migrated()
        with psycopg.connect(url):
            # It waits for this session, and takes no other.
            postgres.control("stop", "-m", "smart", "-W")
            with pytest.raises(StoreAway, match="shutting down"):
                open_writable(url, node="one")
            with pytest.raises(StoreAway, match="shutting down"):
                open_records(url)
        postgres.control("stop", "-m", "fast")
        with pytest.raises(StoreAway, match="refused"):
            open_writable(url, node="one")


def test_a_database_that_says_nothing_is_away_at_the_start_and_later() -> None:
    """Its machine takes the connection and no process answers, as behind a cut network."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"a:b@127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(StoreAway, match="timeout"):
            open_records(f"postgresql://{address}")
        engine = create_engine(f"postgresql+psycopg://{address}?connect_timeout=2")
        with pytest.raises(DBAPIError) as refused:
            engine.connect()
        assert isinstance(meaning(refused.value), StoreUnavailable)


def test_one_node_name_is_one_server(url: str, store: SqlStore) -> None:
    with pytest.raises(NodeInUse, match="works as one"):
        open_writable(url, node="one")
    store.close()
    open_writable(url, node="one").close()


def test_a_lost_lock_stops_the_node_until_it_is_had_again(
    url: str, store: SqlStore, postgres: PrivatePostgres
) -> None:
    end_sessions(postgres, url)
    thief = open_writable(url, node="one")
    with pytest.raises(StoreUnavailable), store.transaction() as transaction:
        transaction.append_events([event(1)])
    with pytest.raises(StoreUnavailable), store.transaction():
        pass
    thief.close()
    with store.transaction() as transaction:
        transaction.append_events([event(1)])


def test_a_transaction_cut_off_keeps_nothing_and_the_next_works(
    url: str, store: SqlStore, postgres: PrivatePostgres
) -> None:
    def cut_off() -> None:
        with store.transaction() as transaction:
            transaction.record_certificates([certificate(1)])
            end_sessions(postgres, url)
            transaction.append_events([event(1)])

    with pytest.raises(StoreUnavailable):
        cut_off()
    with store.transaction() as transaction:
        assert transaction.certificate(certificate(1).id) is None
        transaction.record_certificates([certificate(1)])


def test_a_reader_asks_again_on_a_new_connection(url: str, postgres: PrivatePostgres) -> None:
    records = open_records(url)
    assert records.leases() == []
    end_sessions(postgres, url)
    assert records.leases() == []
    records.close()


def test_a_worker_knows_who_is_locked_out_and_nobody_else(url: str, store: SqlStore) -> None:
    rows = [Lockout(source=f"192.0.2.{n}", failures=n, window_began_us=NOW) for n in (2, 3, 4)]
    with store.transaction() as transaction:
        transaction.record_lockouts(rows)
    records = open_worker_records(url, locked_from=3)
    assert [records.lockout(row.source) for row in rows] == [None, *rows[1:]]
    records.close()


def test_only_a_new_database_is_blank(url: str) -> None:
    store = open_writable(url, node="one")
    assert store.blank
    store.claim()
    store.close()
    store = open_writable(url, node="one")
    assert not store.blank
    store.close()
    other = open_writable(url, node="two")
    assert other.blank
    other.bind_ca("iss-local", bytes(32))
    other.close()
    third = open_writable(url, node="three")
    assert not third.blank
    third.close()


class Waiter(threading.Thread):
    """Runs ``work`` and waits, as the other node does, until it may go on."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as failure:  # noqa: BLE001 - it is what the test looks at
            self.failure = failure

    def end(self) -> Exception | None:
        self.join(WAIT_SECONDS)
        assert not self.is_alive()
        return self.failure


def waits(postgres: PrivatePostgres, url: str) -> None:
    """Until somebody on this database waits for a lock."""
    name = url.rpartition("/")[2]
    for _ in range(2_000):
        found = postgres.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s",
            None,
            name,
        )
        if found:
            return
    raise AssertionError("nobody waits")


def test_two_that_count_for_one_principal_come_one_after_the_other(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres
) -> None:
    """There is no row yet: that is where two nodes would both count from nothing."""
    one, two = stores
    seen: list[tuple[int, ...]] = []

    def second() -> None:
        with two.transaction() as transaction:
            seen.append(transaction.limit_hits({b"k" * 32}).get(b"k" * 32, ()))

    with one.transaction() as transaction:
        assert transaction.limit_hits({b"k" * 32, b"j" * 32}) == {}
        waiter = Waiter(second)
        waiter.start()
        waits(postgres, url)
        transaction.record_limit_hits({b"k" * 32: (NOW,)})
    assert waiter.end() is None
    assert seen == [(NOW,)]
    assert len(postgres.execute("SELECT key FROM limits", url)) == 1


def test_two_that_count_for_one_source_come_one_after_the_other(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres
) -> None:
    one, two = stores
    row = Lockout(source="192.0.2.1", failures=1, window_began_us=NOW)
    seen: list[Lockout | None] = []

    def second() -> None:
        with two.transaction() as transaction:
            transaction.hold_sources({row.source})
            seen.append(transaction.lockouts({row.source}).get(row.source))

    with one.transaction() as transaction:
        transaction.hold_sources({row.source, "192.0.2.2"})
        assert transaction.lockouts({row.source}) == {}
        waiter = Waiter(second)
        waiter.start()
        waits(postgres, url)
        transaction.record_lockouts([row])
    assert waiter.end() is None
    assert seen == [row]
    assert len(postgres.execute("SELECT source FROM lockouts", url)) == 1


def test_two_that_ask_about_one_key_come_one_after_the_other(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres
) -> None:
    one, two = stores
    record = certificate(1)
    seen: list[int] = []

    def second() -> None:
        with two.transaction() as transaction:
            seen.append(len(transaction.key_facts({record.spki_sha256}, NOW)))

    with one.transaction() as transaction:
        assert transaction.key_facts({record.spki_sha256, b"x" * 32}, NOW) == {}
        waiter = Waiter(second)
        waiter.start()
        waits(postgres, url)
        transaction.record_certificates([record])
    assert waiter.end() is None
    assert seen == [1]


@pytest.mark.parametrize("void", [False, True])
def test_of_two_with_one_repetition_key_one_wins(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres, *, void: bool
) -> None:
    """Whether nobody had the key, or somebody whose certificate counts no longer."""
    one, two = stores
    key, later = b"r" * 32, NOW + 1_000_000
    if void:
        with one.transaction() as transaction:
            transaction.record_certificates([certificate(9)])
            transaction.record_repetitions([(key, certificate(9).id, NOW - 1)], NOW - 2)

    def record(store: SqlStore, number: int) -> None:
        with store.transaction() as transaction:
            transaction.record_certificates([certificate(number)])
            transaction.record_repetitions([(key, certificate(number).id, later)], NOW)

    with one.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
        transaction.record_repetitions([(key, certificate(1).id, later)], NOW)
        waiter = Waiter(lambda: record(two, 2))
        waiter.start()
        waits(postgres, url)
    assert isinstance(waiter.end(), DuplicateKey)
    held = postgres.execute("SELECT certificate_id FROM repetitions", url)
    assert held == [(certificate(1).id,)]


def test_of_two_that_take_a_new_lease_one_has_it(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres
) -> None:
    one, two = stores
    lease = Lease(job="crl", holder="one/1", fence=1, until_us=NOW)

    def second() -> None:
        with two.transaction() as transaction:
            assert transaction.lease("crl") is None
            transaction.put_lease(replace(lease, holder="two/1"))

    with one.transaction() as transaction:
        assert transaction.lease("crl") is None
        transaction.put_lease(lease)
        waiter = Waiter(second)
        waiter.start()
        waits(postgres, url)
    assert isinstance(waiter.end(), DuplicateKey)
    with two.transaction() as transaction:
        assert transaction.lease("crl") == lease


def test_who_waits_for_each_other_runs_again(
    url: str, stores: tuple[SqlStore, SqlStore], postgres: PrivatePostgres
) -> None:
    one, two = stores
    with one.transaction() as transaction:
        transaction.record_certificates([certificate(1), certificate(2)])
    first, second = certificate(1).id, certificate(2).id

    def other() -> None:
        with two.transaction() as transaction:
            transaction.certificate(second)
            transaction.certificate(first)

    def crossing() -> None:
        with one.transaction() as transaction:
            transaction.certificate(first)
            waiter.start()
            waits(postgres, url)
            transaction.certificate(second)

    waiter = Waiter(other)
    failures: list[Exception | None] = []
    try:
        crossing()
        failures.append(None)
    except RunAgain as failure:
        failures.append(failure)
    failures.append(waiter.end())
    assert sorted(type(each).__name__ for each in failures) == ["Contended", "NoneType"]
    assert any(isinstance(each, Contended) for each in failures)
