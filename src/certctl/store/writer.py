"""The authority's side of the store: one transaction at a time, durable when it ends.

Whatever goes wrong inside, nothing of the transaction is kept. A failed command spoils
its transaction even if the caller swallows the error: half a command must not be
committed. After a fault of the storage the connection is made anew, so that the store
works again as soon as the storage does, without a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
)
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.errors import StoreUnavailable
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store import faults
from certctl.store.commands import (
    approval,
    audit,
    certificates,
    checkpoints,
    counters,
    identity,
    leases,
    limits,
    lockouts,
    profiles,
    purge,
    repetitions,
    revocation,
)
from certctl.store.errors import CaMismatch
from certctl.store.queries import approval as approval_queries
from certctl.store.queries import audit as audit_queries
from certctl.store.queries import certificates as certificate_queries
from certctl.store.queries import checkpoints as checkpoint_queries
from certctl.store.queries import identity as identity_queries
from certctl.store.queries import keys as key_queries
from certctl.store.queries import leases as lease_queries
from certctl.store.queries import limits as limit_queries
from certctl.store.queries import lockouts as lockout_queries
from certctl.store.queries import profiles as profile_queries
from certctl.store.queries import repetitions as repetition_queries

T = TypeVar("T")


class SqlStore:
    """``ports.WritableStore`` over SQLAlchemy Core; made by ``engine.open_writable``.

    Attributes:
        node: name of this store's audit chain. Use it, not the name asked for.
    """

    def __init__(self, engine: Engine, *, node: str, release: Callable[[], None]) -> None:
        self.node = node
        self._engine = engine
        self._release = release
        self._connection: Connection | None = None
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
        self._busy = True
        return self._connection

    def end(self) -> None:
        """For ``SqlTransaction``: the transaction is over, whichever way."""
        self._busy = False

    def drop(self) -> None:
        """Forget the connection; SQLite rolls back what it had open."""
        connection, self._connection = self._connection, None
        self._busy = False
        if connection is not None:
            connection.invalidate()
            connection.close()


class SqlTransaction:
    """``ports.Transaction``; over when its ``with`` block ends, and refusing use after."""

    __slots__ = ("_connection", "_failure", "_store")

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._connection: Connection | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self._connection = self._store.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection, self._connection = self._open(), None
        if kind is None and self._failure is None:
            try:
                connection.commit()
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

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return self._run(certificate_queries.states, keys)

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        return self._run(repetition_queries.repeated_certificates, keys, now_us)

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        return self._run(lockout_queries.by_source, sources)

    def record_lockouts(self, rows: Sequence[Lockout]) -> None:
        self._run(lockouts.record_lockouts, rows)

    def clear_lockouts(self, sources: Collection[str]) -> None:
        self._run(lockouts.clear_lockouts, sources)

    def bound_lockouts(self, over_us: int, most: int) -> None:
        self._run(lockouts.bound_lockouts, over_us, most)

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        return self._run(key_queries.key_facts, keys, now_us)

    def last_event(self, node: str) -> RecordedEvent | None:
        return self._run(audit_queries.last_event, node)

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._run(certificate_queries.certificate, certificate_id)

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        return self._run(certificate_queries.by_id, ids)

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        self._run(revocation.revoke_certificates, ids, revoked_us, reason)

    def note_compromised_keys(self, keys: Collection[bytes], now_us: int) -> None:
        self._run(revocation.note_compromised_keys, keys, now_us)

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None:
        self._run(certificates.record_certificates, records)

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        self._run(repetitions.record_repetitions, rows, now_us)

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        return self._run(limit_queries.hits, keys)

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        self._run(limits.record_hits, hits)

    def forget_limits(self, before_us: int, most: int) -> None:
        self._run(limits.forget, before_us, most)

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return self._run(approval_queries.by_key, keys)

    def waiting_number(self, now_us: int) -> int:
        return self._run(approval_queries.waiting_number, now_us)

    def record_requests(self, requests: Sequence[WaitingRequest]) -> None:
        self._run(approval.record_requests, requests)

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._run(approval_queries.request, request_id)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._run(approval_queries.decisions, request_id)

    def record_decision(self, decision: Decision) -> None:
        self._run(approval.record_decision, decision)

    def settle_request(
        self,
        request_id: str,
        status: RequestStatus,
        *,
        note: str = "",
        certificate_id: str | None = None,
    ) -> None:
        self._run(approval.settle, request_id, status, note, certificate_id)

    def forget_requests(self, before_us: int, most: int) -> None:
        self._run(approval.forget, before_us, most)

    def append_events(self, events: Sequence[RecordedEvent]) -> None:
        self._run(audit.append_events, events)

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._run(checkpoint_queries.chain_heads)

    def last_checkpoint(self) -> Checkpoint | None:
        return self._run(checkpoint_queries.last_checkpoint)

    def append_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._run(checkpoints.append_checkpoint, checkpoint)

    def stored_profiles(self) -> Sequence[StoredProfile]:
        return self._run(profile_queries.stored_profiles)

    def put_profile(self, profile: StoredProfile) -> None:
        self._run(profiles.put_profile, profile)

    def delete_profile(self, profile_id: str) -> None:
        self._run(profiles.delete_profile, profile_id)

    def lease(self, job: str) -> Lease | None:
        return self._run(lease_queries.lease, job)

    def put_lease(self, lease: Lease) -> None:
        self._run(leases.put_lease, lease)

    def purge_expired(self, now_us: int, most: int) -> int:
        return self._run(purge.purge_expired, now_us, most)

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        self._run(counters.add_counts, node, counts)

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        return self._run(identity_queries.ca_fingerprint, issuer_id)

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        bound = self._run(identity.bind_ca, issuer_id, fingerprint)
        if bound != fingerprint:
            raise CaMismatch(issuer_id, recorded=bound, presented=fingerprint)

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

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except DBAPIError:
            # It cannot be told what is left open; closing the connection settles it.
            self._store.drop()
        else:
            self._store.end()
