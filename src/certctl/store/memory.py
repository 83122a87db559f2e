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

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    CertificateStatus,
    KeyFacts,
    KeyUse,
)
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store.errors import CaMismatch, CommandRefused
from certctl.store.rows import serial_octets, state_of
from certctl.wire.identity import comparable_names

DIGEST_OCTETS = 32


@dataclass(slots=True)
class Tables:
    """The rows, by their keys. One transaction changes its own copy."""

    certificates: dict[str, CertificateRecord] = field(default_factory=dict)
    serials: dict[tuple[str, bytes], str] = field(default_factory=dict)
    repetitions: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    events: dict[tuple[str, int], RecordedEvent] = field(default_factory=dict)
    counters: dict[tuple[str, Counter, str], int] = field(default_factory=dict)
    limits: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    requests: dict[str, WaitingRequest] = field(default_factory=dict)
    decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)
    ca: dict[str, bytes] = field(default_factory=dict)
    compromised: dict[bytes, int] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    profiles: dict[str, StoredProfile] = field(default_factory=dict)
    lockouts: dict[str, Lockout] = field(default_factory=dict)

    def copied(self) -> Tables:
        return Tables(**{item.name: copy(getattr(self, item.name)) for item in fields(self)})

    def heads(self) -> list[ChainHead]:
        """The last event of each node, in order of the nodes' names."""
        last = dict(sorted(self.events))
        return [
            ChainHead(node=node, seq=seq, digest=self.events[node, seq].digest)
            for node, seq in last.items()
        ]

    def said(self, request_id: str) -> list[Decision]:
        """Decisions about a request, by time."""
        about = [each for each in self.decisions.values() if each.request_id == request_id]
        return sorted(about, key=lambda each: (each.decided_us, each.actor))

    def drop_request(self, request_id: str) -> None:
        del self.requests[request_id]
        for each in self.said(request_id):
            del self.decisions[request_id, each.actor]

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
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        wanted = comparable_names(subject_der, san_der)
        found = [
            record
            for record in self._now().certificates.values()
            if record.profile == profile
            and comparable_names(record.subject_der, record.san_der) == wanted
            and _valid(record, now_us)
        ]
        return state_of(max(found, key=lambda record: record.id)) if found else None

    def lockout(self, source: str) -> Lockout | None:
        return self._now().lockouts.get(source)

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

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._now().requests.get(request_id)

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        rows = self._now().requests
        return [
            rows[key]
            for key in sorted(rows)
            if (after is None or key > after) and status in (None, rows[key].status)
        ][:limit]

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._now().said(request_id)

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        rows = self._now().events
        return [
            rows[key]
            for key in sorted(rows)
            if key[1] > after_seq and (node is None or key[0] == node)
        ][:limit]

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        rows = self._now().checkpoints
        return [rows[number] for number in sorted(rows) if number > after][:limit]

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._now().heads()

    def stored_profiles(self) -> Sequence[StoredProfile]:
        rows = self._now().profiles
        return [rows[key] for key in sorted(rows)]

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        rows = self._now().profiles.values()
        return (
            len(rows),
            sum(row.version for row in rows),
            max((row.changed_us for row in rows), default=0),
        )

    def leases(self) -> Sequence[Lease]:
        rows = self._now().leases
        return [rows[job] for job in sorted(rows)]

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

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        rows = self._open().certificates
        return {each: rows[each] for each in ids if each in rows}

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

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        limits = self._open().limits
        return {key: limits[key] for key in keys if key in limits}

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        self._open().limits.update((key, tuple(times)) for key, times in hits.items())

    def forget_limits(self, before_us: int, most: int) -> None:
        limits = self._open().limits
        old = [key for key, times in limits.items() if times[-1] <= before_us]
        for key in sorted(old, key=lambda key: limits[key][-1])[:most]:
            del limits[key]

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return {each.key: each for each in self._open().requests.values() if each.key in keys}

    def waiting_number(self, now_us: int) -> int:
        return sum(
            each.status is RequestStatus.WAITING and each.expires_us > now_us
            for each in self._open().requests.values()
        )

    def record_requests(self, requests: Sequence[WaitingRequest]) -> None:
        tables = self._open()
        for request in requests:
            for old in self.requests_by_key([request.key]).values():
                tables.drop_request(old.id)
            tables.requests[request.id] = request

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._open().requests.get(request_id)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._open().said(request_id)

    def record_decision(self, decision: Decision) -> None:
        tables = self._open()
        if decision.request_id not in tables.requests:
            raise self._failed(CommandRefused("decisions.request_id"))
        tables.decisions[decision.request_id, decision.actor] = decision

    def settle_request(
        self,
        request_id: str,
        status: RequestStatus,
        *,
        note: str = "",
        certificate_id: str | None = None,
    ) -> None:
        requests = self._open().requests
        if request_id in requests:
            requests[request_id] = replace(
                requests[request_id], status=status, note=note, certificate_id=certificate_id
            )

    def forget_requests(self, before_us: int, most: int) -> None:
        tables = self._open()
        old = [each for each in tables.requests.values() if each.expires_us <= before_us]
        for each in sorted(old, key=lambda each: each.expires_us)[:most]:
            tables.drop_request(each.id)

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        rows = self._open().lockouts
        return {each: rows[each] for each in sources if each in rows}

    def record_lockouts(self, rows: Sequence[Lockout]) -> None:
        self._open().lockouts.update({row.source: row for row in rows})

    def clear_lockouts(self, sources: Collection[str]) -> None:
        for each in sources:
            self._open().lockouts.pop(each, None)

    def bound_lockouts(self, over_us: int, most: int) -> None:
        tables = self._open()
        rows = [row for row in tables.lockouts.values() if row.window_began_us > over_us]
        rows.sort(key=lambda row: (-row.window_began_us, row.source))
        tables.lockouts = {row.source: row for row in rows[:most]}

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

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._open().heads()

    def last_checkpoint(self) -> Checkpoint | None:
        rows = self._open().checkpoints
        return rows[max(rows)] if rows else None

    def append_checkpoint(self, checkpoint: Checkpoint) -> None:
        rows = self._open().checkpoints
        if checkpoint.number in rows:
            raise self._failed(DuplicateKey("checkpoints"))
        rows[checkpoint.number] = checkpoint

    def stored_profiles(self) -> Sequence[StoredProfile]:
        rows = self._open().profiles
        return [rows[key] for key in sorted(rows)]

    def put_profile(self, profile: StoredProfile) -> None:
        self._open().profiles[profile.id] = profile

    def delete_profile(self, profile_id: str) -> None:
        self._open().profiles.pop(profile_id, None)

    def lease(self, job: str) -> Lease | None:
        return self._open().leases.get(job)

    def put_lease(self, lease: Lease) -> None:
        self._open().leases[lease.job] = lease

    def purge_expired(self, now_us: int, most: int) -> int:
        rows = self._open().repetitions
        expired = [key for key, (_, expires_us) in rows.items() if expires_us <= now_us][:most]
        for key in expired:
            del rows[key]
        return len(expired)

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
