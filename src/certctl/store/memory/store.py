"""The topics joined to a store and its transaction."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from certctl.store.memory.api_keys import ApiKeyReads, ApiKeyWrites
from certctl.store.memory.audit import AuditReads, AuditWrites
from certctl.store.memory.certificates import CertificateReads, CertificateWrites
from certctl.store.memory.facts import FactReads
from certctl.store.memory.figures import FigureReads, FigureWrites
from certctl.store.memory.gates import GateReads, GateWrites
from certctl.store.memory.intents import IntentReads, IntentWrites
from certctl.store.memory.issuers import IssuerReads, IssuerWrites
from certctl.store.memory.jobs import JobReads, JobWrites
from certctl.store.memory.outbox import OutboxReads, OutboxWrites
from certctl.store.memory.profiles import ProfileReads, ProfileWrites
from certctl.store.memory.requests import RequestReads, RequestWrites
from certctl.store.memory.retention import RetentionReads, RetentionWrites
from certctl.store.memory.search import SearchReads
from certctl.store.memory.sessions import SessionReads, SessionWrites
from certctl.store.memory.status import StatusReads, StatusWrites


class MemoryStore(
    CertificateReads,
    GateReads,
    RequestReads,
    IntentReads,
    AuditReads,
    ProfileReads,
    IssuerReads,
    JobReads,
    RetentionReads,
    FactReads,
    OutboxReads,
    ApiKeyReads,
    SessionReads,
    SearchReads,
    FigureReads,
    StatusReads,
):
    """``ports.WritableStore``, ``ports.Records`` and ``ports.FactReads`` at once."""

    def __init__(self, *, node: str = "memory") -> None:
        super().__init__()
        self.node = node
        self.busy = False

    def transaction(self) -> MemoryTransaction:
        return MemoryTransaction(self)

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        return self.tables.ca.get(issuer_id)

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        """Bind an issuer id for good.

        Raises:
            CaMismatch: it is bound to another certificate.
        """
        with self.transaction() as transaction:
            transaction.bind_ca(issuer_id, fingerprint)


class MemoryTransaction(
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
    """``ports.Transaction`` on a copy of the tables."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store

    def __enter__(self) -> Self:
        if self._store.closed or self._store.busy:
            raise RuntimeError(
                "the store is closed" if self._store.closed else "a transaction is open"
            )
        self._store.busy = True
        self._staged = self._store.tables.copied()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        staged, self._staged = self._open(), None
        self._store.busy = False
        if error is None and self._failure is not None:
            raise self._failure
        if error is None:
            self._store.tables = staged
