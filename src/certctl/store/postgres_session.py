"""What each connection to PostgreSQL is told and asked before it is used.

The authority's holds the lock on its node's name for as long as it lives: two servers
with one node name would write one audit chain. A connection that was lost is replaced,
and works only if the lock could be had again; until then nothing is issued.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from certctl.store.errors import NodeInUse, StoreNotDurable, StoreUnopenable

# A killed server's session ends as soon as PostgreSQL has noticed.
_LOCK_MS: Final = 3_000

# SQLSTATE of a lock that was not had in time (lock_not_available).
_NOT_HAD: Final = "55P03"

_COMMON: Final = (
    "SET client_min_messages = warning",
    "SET default_transaction_isolation = 'read committed'",
    # PostgreSQL's side of noticing that the other one is gone; nothing over a Unix socket.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 2",
)

_WRITER: Final = (
    *_COMMON,
    "SET default_transaction_read_only = off",
    # A node that hangs in the middle of a transaction must not hold the others up.
    "SET idle_in_transaction_session_timeout = '5s'",
    "SET statement_timeout = '10s'",
    "SET lock_timeout = '3s'",
)

_READER: Final = (
    *_COMMON,
    "SET default_transaction_read_only = on",
    "SET statement_timeout = '5s'",
    "SET lock_timeout = '1s'",
)

_DURABILITY: Final = """
SELECT current_setting('fsync'), current_setting('synchronous_commit'),
       current_setting('server_encoding'), pg_is_in_recovery()"""

_BACKEND: Final = (
    "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
)

# Only a session of our own earlier connection: its number may be somebody else's by now.
_END_FORMER: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %s AND backend_start::text = %s AND pid <> pg_backend_pid()"""


class ReaderSession:
    """Of a process that must not write: PostgreSQL itself refuses it."""

    def prepare(self, connection: Any) -> None:
        _tell(connection, _READER)


class MigratorSession:
    """Of ``certctl-server migrate``, which may wait for locks and rewrite tables."""

    def prepare(self, connection: Any) -> None:
        _tell(connection, (*_COMMON, "SET default_transaction_read_only = off"))


class NodeSession:
    """Of a node's authority: one at a time, over however many connections."""

    def __init__(self, place: str, node: str) -> None:
        self._place = place
        self._node = node
        self._former: tuple[int, str] | None = None

    def prepare(self, connection: Any) -> None:
        """Make a fresh connection the node's own.

        Raises:
            NodeInUse: another server has this node name.
            StoreNotDurable: commits would not be on disk.
            StoreUnopenable: it is a standby, or cannot hold every text.
        """
        _tell(connection, _WRITER)
        with connection.cursor() as cursor:
            self._require_durable(cursor)
            if self._former is not None:
                cursor.execute(_END_FORMER, self._former)
            connection.commit()
            self._take_lock(connection, cursor)
            cursor.execute(_BACKEND)
            self._former = cursor.fetchone()
        connection.commit()

    def _require_durable(self, cursor: Any) -> None:
        fsync, synchronous_commit, encoding, standby = cursor.execute(_DURABILITY).fetchone()
        if standby:
            raise StoreUnopenable(self._place, note="it is a standby, which takes no writes")
        for name, value in (("fsync", fsync), ("synchronous_commit", synchronous_commit)):
            if value == "off":
                raise StoreNotDurable(self._place, setting=name)
        if encoding != "UTF8":
            raise StoreUnopenable(self._place, note=f"its encoding is {encoding}, not UTF8")

    def _take_lock(self, connection: Any, cursor: Any) -> None:
        digest = hashlib.sha256(b"certctl node " + self._node.encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        cursor.execute(f"SET LOCAL lock_timeout = {_LOCK_MS}")
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", (key,))
        except Exception as err:
            if getattr(err, "sqlstate", None) != _NOT_HAD:
                raise
            connection.rollback()
            raise NodeInUse(self._place, node=self._node) from err
        connection.commit()


def _tell(connection: Any, statements: tuple[str, ...]) -> None:
    """Settings for the life of the connection; inside one round trip."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statements))
    connection.commit()
