"""What the authority writes, by topic: each a part of one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from certctl.domain.api_keys import ApiKey
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
from certctl.domain.figures import ActivitySlot, Figures
from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.inventory import CertificateSummary
from certctl.domain.kept_answer import KeptAnswer
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.ports.events import OutboxWrites
from certctl.domain.ports.status import StatusWrites
from certctl.domain.retention import AuditStub
from certctl.domain.revocation import RevocationReason
from certctl.domain.sessions import Session
from certctl.domain.stored_issuers import LastTrial, StoredIssuer


class CertificateWrites(Protocol):
    """Certificates, their keys and repetitions."""

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        """Current state by SHA-256 fingerprint; absent ones are left out."""
        ...

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        """DER by repetition key, for keys unexpired whose certificate is valid now."""
        ...

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        """What is on record by SHA-256 of SubjectPublicKeyInfo; unknown keys are left out.

        Until the transaction ends no other node decides about any of these keys.
        """
        ...

    def certificate(self, certificate_id: str) -> CertificateRecord | None: ...

    def has_serial(self, issuer_id: str, serial: str) -> bool:
        """Whether a certificate of this issuer with this serial number (hex) is on record."""
        ...

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        """Whole records; absent ones are left out."""
        ...

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None: ...

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        """Mark certificates as revoked; which may be is the caller's to know."""
        ...

    def release_certificates(self, ids: Collection[str], released_us: int) -> None:
        """Make certificates valid again; that they are on hold is the caller's to know."""
        ...

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        """Lines of the inventory by id; absent ones are left out."""
        ...

    def serials_on_record(self, serials: Collection[str]) -> Mapping[tuple[str, str], bytes]:
        """Fingerprints by (issuer id, serial number), for the numbers that are there."""
        ...

    def note_compromised_keys(self, keys: Collection[bytes], now_us: int) -> None:
        """Keep SHA-256 hashes of SubjectPublicKeyInfos that are in wrong hands."""
        ...

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        """Keep (key, certificate id, expires_us); an expired or void row is replaced.

        Raises:
            DuplicateKey: another unexpired row with a valid certificate holds the key.
        """
        ...


class GateWrites(Protocol):
    """What the gates count: limits per principal and failed passwords."""

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        """Times (oldest first) on record by key of a limit; absent ones are left out.

        Until the transaction ends no other node counts for any of these keys.
        """
        ...

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        """Replace the times (oldest first, at least one) of each key."""
        ...

    def forget_limits(self, before_us: int, most: int) -> None:
        """Drop at most so many keys, oldest first, whose newest time is not after that."""
        ...

    def hold_sources(self, sources: Collection[str]) -> None:
        """Until the transaction ends no other node counts for these sources, also those
        that have no row yet; to be asked before ``lockouts`` where one may be counted.
        """
        ...

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        """Failed passwords by source; sources without any are left out. No other node
        changes a row that is there until the transaction ends.
        """
        ...

    def record_lockouts(self, rows: Sequence[Lockout]) -> None:
        """Write these rows, each in place of its source's former one."""
        ...

    def clear_lockouts(self, sources: Collection[str]) -> None:
        """Forget the failures of these sources."""
        ...

    def bound_lockouts(self, over_us: int, most: int) -> None:
        """Forget windows that began at ``over_us`` or before, then the oldest above ``most``."""
        ...


class RequestWrites(Protocol):
    """Requests for approval and what was said about them."""

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        """Requests of whatever status by repetition key; absent ones are left out."""
        ...

    def waiting_number(self, now_us: int) -> int:
        """How many requests wait now."""
        ...

    def record_requests(self, requests: Sequence[WaitingRequest]) -> None:
        """Keep requests; one of the same key is replaced with all that was said about it."""
        ...

    def request(self, request_id: str) -> WaitingRequest | None: ...

    def decisions(self, request_id: str) -> Sequence[Decision]:
        """What was said about a request, by time."""
        ...

    def record_decision(self, decision: Decision) -> None:
        """Keep it; an earlier one of the same operator is replaced."""
        ...

    def settle_request(
        self,
        request_id: str,
        status: RequestStatus,
        *,
        note: str = "",
        certificate_id: str | None = None,
    ) -> None:
        """Change where a request stands; which changes may be is the caller's to know."""
        ...

    def forget_requests(self, before_us: int, most: int) -> None:
        """Drop at most so many requests, oldest first, that expired by then."""
        ...


class IntentWrites(Protocol):
    """Calls of CAs outside."""

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        """The newest intent of each repetition key; absent ones are left out."""
        ...

    def intent(self, intent_id: str) -> Intent | None: ...

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        """Open ones past their deadline, and orphans closed after ``closed_after_us`` that
        the CA was not told to revoke; at most ``most``.
        """
        ...

    def record_intents(self, rows: Sequence[Intent]) -> None:
        """Keep new intents.

        Raises:
            DuplicateKey: an open intent holds one of the keys.
        """
        ...

    def change_intent(self, intent: Intent, *, expected: IntentStatus) -> bool:
        """Write where an intent stands if it still has the status ``expected``, else
        nothing: whether it had. Which changes may be is the caller's to know.
        """
        ...

    def forget_intents(self, before_us: int, most: int) -> None:
        """Drop at most so many that were closed by then, but neither lost nor orphans."""
        ...


class AuditWrites(Protocol):
    """Audit events, their chains, checkpoints and the counters."""

    def last_event(self, node: str) -> RecordedEvent | None:
        """End of this node's audit chain."""
        ...

    def append_events(self, events: Sequence[RecordedEvent]) -> None: ...

    def chain_heads(self) -> Sequence[ChainHead]:
        """Where each node's audit chain stands, in order of the nodes' names."""
        ...

    def last_checkpoint(self) -> Checkpoint | None: ...

    def append_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint; none is ever changed.

        Raises:
            DuplicateKey: another node has written this number meanwhile.
        """
        ...

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        """Add to the counters keyed (profile, counter) of this node."""
        ...


class ProfileWrites(Protocol):
    """Certificate profiles of the store."""

    def stored_profiles(self) -> Sequence[StoredProfile]:
        """All certificate profiles of the store, in order of id."""
        ...

    def put_profile(self, profile: StoredProfile) -> None:
        """Write a profile's row, whether there was one or not.

        Raises:
            DuplicateKey: another node has written this version or a higher one.
        """
        ...

    def delete_profile(self, profile_id: str) -> None: ...


class IssuerWrites(Protocol):
    """Issuers of the store with their sealed keys, and which CA an id stands for."""

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        """All of them, deleted ones too, in order of id."""
        ...

    def sealed_issuers(self) -> Mapping[str, bytes]:
        """Their sealed keys by id; deleted ones have none."""
        ...

    def put_issuer(self, row: StoredIssuer, sealed: bytes) -> None:
        """Write an issuer's row, whether there was one or not; no octets: no key any more.

        Raises:
            DuplicateKey: another node has written this version or a higher one.
        """
        ...

    def note_trial(self, trial: LastTrial) -> None:
        """Keep what came of trying an issuer, in place of what came before."""
        ...

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        """See ``reads.IssuerReads.unexpired_number``."""
        ...

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        """SHA-256 of the CA certificate that an issuer id stands for, if any."""
        ...

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        """Have an issuer id stand for a CA certificate (SHA-256) for good."""
        ...


class JobWrites(Protocol):
    """Leases of the jobs, and what they clean up."""

    def lease(self, job: str) -> Lease | None: ...

    def put_lease(self, lease: Lease) -> None:
        """Write a job's row, whether there was one or not.

        Raises:
            DuplicateKey: another holder has it with this fence or a higher one.
        """
        ...

    def purge_expired(self, now_us: int, most: int) -> int:
        """Remove rows that answer nothing any more, at most ``most``; gives their number."""
        ...


class RetentionWrites(Protocol):
    """What has been kept long enough goes; whether it may is the caller's to know."""

    def checkpoint(self, number: int) -> Checkpoint | None: ...

    def last_stub(self, node: str) -> AuditStub | None:
        """Where the part of this node's chain that is left begins."""
        ...

    def events_between(self, node: str, first: int, last: int) -> Sequence[RecordedEvent]:
        """Events of one chain, both ends included, in their order."""
        ...

    def drop_segment(self, stub: AuditStub) -> None:
        """Put the stub in place of its events; it must go on where the last one ended."""
        ...

    def drop_certificates(self, ids: Collection[str], before_us: int) -> int:
        """Of these, drop what expired before that and is not revoked, with what
        names it (names, repetition keys, releases, requests); gives their number.
        """
        ...


class ApiKeyWrites(Protocol):
    """Keys of the management API, and answers kept for repeated writes."""

    def api_key(self, key_id: str) -> ApiKey | None: ...

    def record_api_key(self, key: ApiKey) -> None: ...

    def revoke_api_key(self, key_id: str, revoked_us: int) -> None:
        """Revoke a key unless it is revoked already."""
        ...

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        """An answer that has not expired."""
        ...

    def keep_answer(self, answer: KeptAnswer, now_us: int) -> None:
        """Keep an answer, in place of one of the same key that has expired.

        Raises:
            DuplicateKey: one is kept that has not, by another node just now.
        """
        ...

    def forget_answers(self, before_us: int, most: int) -> None:
        """Drop answers that expired before this time, at most ``most``."""
        ...


class SessionWrites(Protocol):
    """Sessions of the web pages."""

    def session(self, digest: bytes) -> Session | None: ...

    def record_session(self, session: Session) -> None: ...

    def extend_session(self, digest: bytes, expires_us: int) -> None: ...

    def end_session(self, digest: bytes) -> None: ...

    def forget_sessions(self, before_us: int, most: int) -> None:
        """Drop sessions that ended by this time, at most ``most``."""
        ...


class FigureWrites(Protocol):
    """What is counted beforehand."""

    def put_figures(self, figures: Figures) -> None:
        """In place of those of the same kind."""
        ...

    def put_slots(self, begins_us: int, slots: Sequence[ActivitySlot]) -> None:
        """Slots from a time on, in place of all that stand there."""
        ...

    def forget_slots(self, before_us: int) -> None: ...


class Transaction(
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
    Protocol,
):
    """One durable unit of the authority: all of it is on disk, or none."""


class RunAgain(Exception):
    """Another writer was in the way and nothing was kept: run the batch again one by one."""


class DuplicateKey(RunAgain):
    """A unique key of the store is taken, or a row is newer than what would replace it."""


class Contended(RunAgain):
    """Another node held what was needed, or each waited for the other."""


class WritableStore(Protocol):
    """The authority's side of the store; one thread, one transaction at a time."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit durably (fsync) at the end, roll back on any exception.

        Raises:
            StoreUnavailable: the database is full, locked or away; nothing was kept.
        """
        ...

    def close(self) -> None: ...
