"""The read-only side of the store, for workers and host commands.

Each call is one statement (or a few) outside any transaction, fetched whole: it sees the
latest commit and holds no snapshot that would keep the write-ahead log from shrinking.
One thread per object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.certificates import CertificateKey, CertificateRecord, CertificateState
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.store import faults
from certctl.store.queries import (
    approval,
    audit,
    certificates,
    checkpoints,
    counters,
    leases,
    lockouts,
    profiles,
)

P = ParamSpec("P")
T = TypeVar("T")


class SqlRecords:
    """``ports.Records`` over SQLAlchemy Core; made by ``engine.open_records``.

    Every method raises StoreUnavailable while the database cannot be read, and works
    again by itself when it can.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._closed = False

    def state_of(self, key: CertificateKey) -> CertificateState | None:
        return self._ask(certificates.states, (key,)).get(key.fingerprint)

    def newest_valid(
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        return self._ask(certificates.newest_valid, profile, subject_der, san_der, now_us)

    def lockout(self, source: str) -> Lockout | None:
        return self._ask(lockouts.by_source, (source,)).get(source)

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._ask(certificates.certificate, certificate_id)

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        return self._ask(certificates.with_serial, serial)

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._ask(approval.request, request_id)

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        return self._ask(approval.page, status, after, limit)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._ask(approval.decisions, request_id)

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        return self._ask(certificates.page, after, limit)

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        """Events with a seq above ``after_seq`` in order of (node, seq).

        A store with several chains is paged one node after the other: name the ``node``.
        """
        return self._ask(audit.page, node, after_seq, limit)

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        return self._ask(checkpoints.page, after, limit)

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._ask(checkpoints.chain_heads)

    def stored_profiles(self) -> Sequence[StoredProfile]:
        return self._ask(profiles.stored_profiles)

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        return self._ask(profiles.stamp)

    def leases(self) -> Sequence[Lease]:
        return self._ask(leases.all_leases)

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        return self._ask(counters.counts)

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
