"""The authority's side of the store: one transaction at a time, durable when it ends.

Whatever goes wrong inside, nothing of the transaction is kept. A failed command spoils
its transaction even if the caller swallows the error: half a command must not be
committed. After a fault of the storage the connection is made anew, so that the store
works again as soon as the storage does, without a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from types import TracebackType
from typing import Self

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.errors import StoreUnavailable
from certctl.store import faults
from certctl.store.commands import identity
from certctl.store.commands.placeholders import drop_placeholders
from certctl.store.errors import StoreError
from certctl.store.sql.api_keys import ApiKeyWrites
from certctl.store.sql.audit import AuditWrites
from certctl.store.sql.certificates import CertificateWrites
from certctl.store.sql.figures import FigureWrites
from certctl.store.sql.gates import GateWrites
from certctl.store.sql.intents import IntentWrites
from certctl.store.sql.issuers import IssuerWrites
from certctl.store.sql.jobs import JobWrites
from certctl.store.sql.outbox import OutboxWrites
from certctl.store.sql.profiles import ProfileWrites
from certctl.store.sql.requests import RequestWrites
from certctl.store.sql.retention import RetentionWrites
from certctl.store.sql.sessions import SessionWrites
from certctl.store.sql.status import StatusWrites


def _nothing() -> None:
    """PostgreSQL lets a node's lock go with its connection."""


def _unmeasured(_: int) -> None:
    """Nobody asks how long commits take."""


class SqlStore:
    """``ports.WritableStore`` over SQLAlchemy Core; made by ``engine.open_writable``.

    Attributes:
        node: name of this store's audit chain. Use it, not the name asked for.
        blank: PostgreSQL has never seen this node nor any CA: a new database, or another
            one than before. ``claim`` ends that.
        on_commit: told how long each commit took, in nanoseconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        node: str,
        release: Callable[[], None] = _nothing,
        connection: Connection | None = None,
        blank: bool = False,
    ) -> None:
        self.node = node
        self.blank = blank
        self.on_commit: Callable[[int], None] = _unmeasured
        self._engine = engine
        self._release = release
        self._connection = connection
        self._busy = False
        self._closed = False

    def transaction(self) -> SqlTransaction:
        """A context manager that begins on entry and commits durably on exit."""
        return SqlTransaction(self)

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        """SHA-256 of the CA certificate bound to this issuer id, if any.

        Raises:
            StoreUnavailable: the database cannot be read now.
        """
        with self.transaction() as transaction:
            return transaction.ca_fingerprint(issuer_id)

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        """Bind an issuer id to a CA certificate for good; the same once more is fine.

        Raises:
            CaMismatch: it is bound to another one; the program must not start.
            StoreUnavailable: the database cannot record now.
        """
        with self.transaction() as transaction:
            transaction.bind_ca(issuer_id, fingerprint)

    def claim(self) -> None:
        """Remember that this node has worked on this database.

        Raises:
            StoreUnavailable: the database cannot record now.
        """
        with self.transaction() as transaction:
            transaction.claim(self.node)
        self.blank = False

    def pepper(self) -> bytes | None:
        """Digest of the pepper that the API keys on record were made with, if any.

        Raises:
            StoreUnavailable: the database cannot be read now.
        """
        with self.transaction() as transaction:
            return transaction.bound_pepper()

    def bind_pepper(self, digest: bytes) -> None:
        """Bind the store to a pepper for good; the same once more is fine.

        Raises:
            PepperMismatch: it is bound to another one; the program must not start.
            StoreUnavailable: the database cannot record now.
        """
        with self.transaction() as transaction:
            transaction.bind_pepper(digest)

    def bind_config_key(self, digest: bytes) -> None:
        """Bind the store to a config key for good; the same once more is fine.

        Raises:
            ConfigKeyMismatch: it is bound to another one; the program must not start.
            StoreUnavailable: the database cannot record now.
        """
        with self.transaction() as transaction:
            transaction.bind_config_key(digest)

    def close(self) -> None:
        """Close the database and let its lock go; a second call does nothing."""
        self._closed = True
        self.drop()
        self._release()

    def begin(self) -> Connection:
        """For ``SqlTransaction``: the connection, with a transaction begun on it."""
        if self._closed or self._busy:
            raise RuntimeError("the store is closed" if self._closed else "a transaction is open")
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._connection.begin()
        except DBAPIError as err:
            self.drop()
            raise faults.meaning(err) from err
        except StoreError as err:
            # The database is there, but this node may not work on it now.
            self.drop()
            raise StoreUnavailable("store") from err
        self._busy = True
        return self._connection

    def end(self) -> None:
        """For ``SqlTransaction``: the transaction is over, whichever way."""
        self._busy = False

    def drop(self) -> None:
        """Forget the connection; the database rolls back what it had open."""
        connection, self._connection = self._connection, None
        self._busy = False
        if connection is not None:
            connection.invalidate()
            connection.close()


class SqlTransaction(
    CertificateWrites,
    GateWrites,
    RequestWrites,
    IntentWrites,
    AuditWrites,
    ProfileWrites,
    IssuerWrites,
    JobWrites,
    RetentionWrites,
    OutboxWrites,
    ApiKeyWrites,
    SessionWrites,
    FigureWrites,
    StatusWrites,
):
    """``ports.Transaction``; over when its ``with`` block ends, and refusing use after."""

    __slots__ = ("_store",)

    def __init__(self, store: SqlStore) -> None:
        super().__init__()
        self._store = store

    def __enter__(self) -> Self:
        self._connection = self._store.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            # It was lost, and no other was to be had.
            if error is None and self._failure is not None:
                raise self._failure
            return
        if kind is None and self._failure is None:
            try:
                drop_placeholders(connection, self._held)
                began = perf_counter_ns()
                connection.commit()
                self._store.on_commit(perf_counter_ns() - began)
            except DBAPIError as err:
                self._store.drop()
                raise faults.meaning(err) from err
            self._store.end()
            return
        if isinstance(self._failure, StoreUnavailable):
            self._store.drop()
        else:
            self._roll_back(connection)
        if error is None and self._failure is not None:
            raise self._failure

    def claim(self, node: str) -> None:
        self._run(identity.claim_node, node)

    def _begun_anew(self) -> Connection:
        self._store.drop()
        return self._store.begin()

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except DBAPIError:
            # It cannot be told what is left open; closing the connection settles it.
            self._store.drop()
        else:
            self._store.end()
