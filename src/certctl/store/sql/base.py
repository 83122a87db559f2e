"""How a query is asked and a command is run; each topic stands on these two."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports import RunAgain
from certctl.store import faults
from certctl.store.commands.placeholders import Held

T = TypeVar("T")


class Reads:
    """Asks on a connection of its own, made anew after a fault of the storage.

    One that broke while nobody asked (PostgreSQL was restarted) is replaced at once: a
    question can be asked twice.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._closed = False
        self._not_before = 0.0

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self._closed = True
        self._drop()

    def _ask(self, query: Callable[..., T], *values: object) -> T:
        if self._closed:
            raise RuntimeError("the records are closed")
        try:
            if self._connection is not None:
                try:
                    return query(self._connection, *values)
                except DBAPIError as err:
                    self._drop()
                    if not faults.is_lost(err):
                        raise
            return query(self._connected(), *values)
        except DBAPIError as err:
            self._drop()
            raise faults.meaning(err) from err

    def _connected(self) -> Connection:
        began = time.monotonic()
        if began < self._not_before:
            raise StoreUnavailable("store")
        try:
            self._connection = self._engine.connect()
        except DBAPIError:
            # A database that does not answer is left alone for as long as it kept us
            # waiting, so that other requests get some time. One that refuses costs nothing.
            now = time.monotonic()
            self._not_before = now + (now - began)
            raise
        return self._connection

    def _stream(self, query: Callable[..., Iterator[T]], *values: object) -> Iterator[T]:
        """Rows as they come, on a connection of their own: a list may take seconds to read.

        All statements of the query see one state of the records.
        """
        if self._closed:
            raise RuntimeError("the records are closed")
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execution_options(isolation_level="REPEATABLE READ")
                else:
                    connection.exec_driver_sql("BEGIN")
                yield from query(connection, *values)
        except DBAPIError as err:
            raise faults.meaning(err) from err

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


class Writes(ABC):
    """Runs commands inside one transaction; a failed one spoils it.

    Only the first may be run again, on a new connection, where the old one turns out to
    be gone: nothing was done on it yet.
    """

    __slots__ = ("_connection", "_failure", "_held", "_untouched")

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._failure: Exception | None = None
        self._held = Held()
        self._untouched = True

    def _run(self, command: Callable[..., T], *values: object, **named: object) -> T:
        connection = self._open()
        first, self._untouched = self._untouched, False
        try:
            try:
                return command(connection, *values, **named)
            except DBAPIError as err:
                if not first or not faults.is_lost(err):
                    raise
                self._connection = None
            self._connection = self._begun_anew()
            return command(self._connection, *values, **named)
        except DBAPIError as err:
            self._failure = faults.meaning(err)
            raise self._failure from err
        except (RunAgain, StoreUnavailable, ValueError, TypeError, ArithmeticError) as err:
            # Taken keys, and values that a row cannot hold, met half-way through a batch.
            self._failure = err
            raise

    @abstractmethod
    def _begun_anew(self) -> Connection:
        """A transaction on a new connection, in place of the one that was lost.

        Raises:
            StoreUnavailable: there is none to be had.
        """

    def _open(self) -> Connection:
        # Outside its block a command would commit by itself, one statement at a time.
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        return self._connection
