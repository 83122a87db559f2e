"""The store's twin in memory: both sides of the ports in one object, for tests and trials.

It passes the contract suite of the SQL stores, rollback and refusals included, and keeps
nothing. A transaction works on copies and swaps them in at its end, so a reader never
sees half of one; that makes it slow beyond some ten thousand certificates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from types import TracebackType
from typing import Self

from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    CertificateStatus,
    KeyFacts,
    KeyUse,
)
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store.errors import CaMismatch, CommandRefused
from certctl.store.queries.certificates import NEWEST
from certctl.store.rows import serial_octets, state_of

DIGEST_OCTETS = 32


@dataclass(slots=True)
class Tables:
    """The rows, by their keys. One transaction changes its own copy."""

    certificates: dict[str, CertificateRecord] = field(default_factory=dict)
    serials: dict[tuple[str, bytes], str] = field(default_factory=dict)
    repetitions: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    events: dict[tuple[str, int], RecordedEvent] = field(default_factory=dict)
    counters: dict[tuple[str, Counter, str], int] = field(default_factory=dict)
    ca: dict[str, bytes] = field(default_factory=dict)
    compromised: dict[bytes, int] = field(default_factory=dict)

    def copied(self) -> Tables:
        return Tables(**{item.name: copy(getattr(self, item.name)) for item in fields(self)})

    def live(self, key: bytes, now_us: int) -> CertificateRecord | None:
        """The certificate of an unexpired repetition, if it is valid now."""
        certificate_id, expires_us = self.repetitions.get(key, ("", 0))
        record = self.certificates.get(certificate_id)
        if record is None or expires_us <= now_us:
            return None
        return record if _valid(record, now_us) else None


class MemoryStore:
    """``ports.WritableStore`` and ``ports.Records`` at once."""

    def __init__(self, *, node: str = "memory") -> None:
        self.node = node
        self.tables = Tables()
        self.busy = False
        self.closed = False

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

    def state_of(self, key: CertificateKey) -> CertificateState | None:
        return _states(self._now(), (key,)).get(key.fingerprint)

    def newest_valid(
        self, profile: str, subject_der: bytes, now_us: int
    ) -> Sequence[CertificateState]:
        found = [
            record
            for record in self._now().certificates.values()
            if record.profile == profile
            and record.subject_der == subject_der
            and _valid(record, now_us)
        ]
        found.sort(key=lambda record: record.id, reverse=True)
        return [state_of(record) for record in found[:NEWEST]]

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._now().certificates.get(certificate_id)

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        try:
            octets = serial_octets(serial)
        except ValueError:
            return []
        tables = self._now()
        found = [each for (_, number), each in sorted(tables.serials.items()) if number == octets]
        return [tables.certificates[each] for each in found]

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        rows = self._now().certificates
        return [rows[key] for key in sorted(rows) if after is None or key > after][:limit]

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        rows = self._now().events
        return [
            rows[key]
            for key in sorted(rows)
            if key[1] > after_seq and (node is None or key[0] == node)
        ][:limit]

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        total: dict[tuple[str, Counter], int] = {}
        for (profile, label, _), n in self._now().counters.items():
            total[profile, label] = total.get((profile, label), 0) + n
        return total

    def close(self) -> None:
        self.closed = True

    def _now(self) -> Tables:
        if self.closed:
            raise RuntimeError("the records are closed")
        return self.tables


class MemoryTransaction:
    """``ports.Transaction`` on a copy of the tables."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._staged: Tables | None = None
        self._failure: Exception | None = None

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

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return _states(self._open(), keys)

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        tables = self._open()
        live = {key: tables.live(key, now_us) for key in keys}
        return {key: record.der for key, record in live.items() if record is not None}

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        tables = self._open()
        found = {}
        for key in set(keys):
            uses = tuple(
                KeyUse(record.id, record.subject_der, record.san_der)
                for record in tables.certificates.values()
                if record.spki_sha256 == key and record.not_after_us > now_us
            )
            if uses or key in tables.compromised:
                found[key] = KeyFacts(compromised=key in tables.compromised, uses=uses)
        return found

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None:
        tables = self._open()
        for record in records:
            serial = (record.issuer_id, self._serial(record))
            if len(record.fingerprint) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("certificates.fingerprint"))
            if record.id in tables.certificates or serial in tables.serials:
                raise self._failed(DuplicateKey("certificates"))
            tables.certificates[record.id] = record
            tables.serials[serial] = record.id

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._open().certificates.get(certificate_id)

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        rows = self._open().certificates
        for each in ids:
            if each in rows:
                rows[each] = replace(
                    rows[each],
                    status=CertificateStatus.REVOKED,
                    revoked_us=revoked_us,
                    revocation_reason=reason.value,
                )

    def note_compromised_keys(self, keys: Collection[bytes], now_us: int) -> None:
        for key in keys:
            if len(key) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("compromised_keys.spki_sha256"))
            self._open().compromised.setdefault(key, now_us)

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        tables = self._open()
        for key, certificate_id, expires_us in rows:
            if tables.live(key, now_us) is not None:
                raise self._failed(DuplicateKey("repetitions.key"))
            if certificate_id not in tables.certificates:
                raise self._failed(CommandRefused("repetitions.certificate_id"))
            tables.repetitions[key] = (certificate_id, expires_us)

    def last_event(self, node: str) -> RecordedEvent | None:
        events = self._open().events
        return max(
            (event for key, event in events.items() if key[0] == node),
            key=lambda event: event.seq,
            default=None,
        )

    def append_events(self, events: Sequence[RecordedEvent]) -> None:
        tables = self._open()
        for event in events:
            if event.seq < 1 or len(event.digest) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("audit_events"))
            if (event.node, event.seq) in tables.events:
                raise self._failed(DuplicateKey("audit_events"))
            tables.events[event.node, event.seq] = event

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        counters = self._open().counters
        for (profile, label), n in counts.items():
            counters[profile, label, node] = counters.get((profile, label, node), 0) + n

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        if len(fingerprint) != DIGEST_OCTETS:
            raise self._failed(CommandRefused("ca.fingerprint"))
        bound = self._open().ca.setdefault(issuer_id, fingerprint)
        if bound != fingerprint:
            raise CaMismatch(issuer_id, recorded=bound, presented=fingerprint)

    def _open(self) -> Tables:
        if self._staged is None:
            raise RuntimeError("the transaction is over")
        return self._staged

    def _serial(self, record: CertificateRecord) -> bytes:
        try:
            return serial_octets(record.serial)
        except ValueError as err:
            self._failure = err
            raise

    def _failed(self, failure: Exception) -> Exception:
        self._failure = failure
        return failure


def _valid(record: CertificateRecord, now_us: int) -> bool:
    return record.status is CertificateStatus.VALID and record.not_after_us > now_us


def _states(tables: Tables, keys: Collection[CertificateKey]) -> dict[bytes, CertificateState]:
    wanted = {key.fingerprint for key in keys}
    records = tables.certificates.values()
    return {each.fingerprint: state_of(each) for each in records if each.fingerprint in wanted}
