"""How a query is asked and a command is run; each topic stands on these two."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.ports import DuplicateKey
from certctl.store import faults

P = ParamSpec("P")
T = TypeVar("T")


class Reads:
    """Asks on a connection of its own, made anew after a fault of the storage."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._closed = False

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self._closed = True
        self._drop()

    def _ask(self, query: Callable[..., T], *values: object) -> T:
        if self._closed:
            raise RuntimeError("the records are closed")
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return query(self._connection, *values)
        except DBAPIError as err:
            self._drop()
            raise faults.meaning(err) from err

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


class Writes:
    """Runs commands inside one transaction; a failed one spoils it."""

    __slots__ = ("_connection", "_failure")

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._failure: Exception | None = None

    def _run(self, command: Callable[..., T], *values: object) -> T:
        connection = self._open()
        try:
            return command(connection, *values)
        except DBAPIError as err:
            self._failure = faults.meaning(err)
            raise self._failure from err
        except (DuplicateKey, ValueError, TypeError, ArithmeticError) as err:
            # Taken keys, and values that a row cannot hold, met half-way through a batch.
            self._failure = err
            raise

    def _open(self) -> Connection:
        # Outside its block a command would commit by itself, one statement at a time.
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        return self._connection
