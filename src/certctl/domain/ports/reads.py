"""What workers, jobs and host commands read, by topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from certctl.domain.api_keys import ApiKey, Visible
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
from certctl.domain.figures import (
    ActivitySlot,
    ActivitySpan,
    AuditProof,
    InventoryFigures,
    InventoryPart,
)
from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.inventory import CertificateFilter, CertificateSummary, InventoryPage
from certctl.domain.kept_answer import KeptAnswer
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.ports.events import OutboxReads
from certctl.domain.ports.status import StatusReads
from certctl.domain.retention import AuditStub
from certctl.domain.search import MOST_COUNTED, Activity, AuditPage, AuditQuery, Expiries, Page
from certctl.domain.sessions import Session
from certctl.domain.stored_issuers import LastTrial, StoredIssuer


class CertificateReads(Protocol):
    """Certificates, their keys and repetitions."""

    def state_of(self, key: CertificateKey) -> CertificateState | None: ...

    def newest_valid(
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        """The newest valid, unexpired certificate of a profile whose names are the same
        as these (DER) to a renewal (policy §5).
        """
        ...

    def certificate(self, certificate_id: str) -> CertificateRecord | None: ...

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        """Certificates with this serial number (hex), one per issuer at most."""
        ...

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        """Pages of the inventory in order of id; ``after`` is the last id seen."""
        ...

    def search(
        self,
        wanted: CertificateFilter,
        now_us: int,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> InventoryPage:
        """A page of what was asked for, in the order that ``order_of`` says; by issuance
        newest first, unless told otherwise.

        Raises:
            CursorRefused: the cursor is of another filter or order, or none at all.
        """
        ...

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        """By id; absent ones are left out."""
        ...

    def released_us(self, certificate_id: str) -> int | None:
        """When it was last released from hold, if it ever was."""
        ...

    def renewals_of(self, certificate_id: str) -> Sequence[CertificateSummary]:
        """Certificates that renew this one, oldest first."""
        ...


class GateReads(Protocol):
    """What the gates count: limits per principal and failed passwords."""

    def lockout(self, source: str) -> Lockout | None:
        """Failed passwords of one source (``lockout.source_key``), if there are any."""
        ...


class RequestReads(Protocol):
    """Requests for approval and what was said about them."""

    def request(self, request_id: str) -> WaitingRequest | None: ...

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        """Pages of the requests for approval in order of id."""
        ...

    def decisions(self, request_id: str) -> Sequence[Decision]:
        """What was said about a request, by time."""
        ...


class IntentReads(Protocol):
    """Calls of CAs outside."""

    def intent(self, intent_id: str) -> Intent | None: ...

    def intents(
        self,
        *,
        statuses: Collection[IntentStatus] = (),
        after: str | None = None,
        limit: int = 100,
    ) -> Sequence[Intent]:
        """Pages of the intents in order of id; without ``statuses`` all of them."""
        ...

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        """See ``writes.IntentWrites.overdue_intents``."""
        ...

    def intent_numbers(self, statuses: Collection[IntentStatus]) -> Mapping[IntentStatus, int]:
        """How many have each of these statuses; 0 where none has."""
        ...


class AuditReads(Protocol):
    """Audit events, their chains, checkpoints and the counters."""

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        """Pages of audit events in order of (node, seq), or of one node's chain."""
        ...

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        """Pages of the audit trail's checkpoints in order of number."""
        ...

    def events_about(self, certificate_id: str, *, limit: int = 100) -> Sequence[RecordedEvent]:
        """A certificate's own events, by time; at most so many, the oldest."""
        ...

    def chain_heads(self) -> Sequence[ChainHead]:
        """Where each node's audit chain stands, in order of the nodes' names."""
        ...

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        """Counters by (profile, counter), summed over nodes."""
        ...


class ProfileReads(Protocol):
    """Certificate profiles of the store."""

    def stored_profiles(self) -> Sequence[StoredProfile]:
        """All certificate profiles of the store, in order of id."""
        ...

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        """Changes whenever a stored profile does; cheap enough to ask once a second."""
        ...


class IssuerReads(Protocol):
    """Issuers of the store; their keys are for the writer alone."""

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        """All of them, deleted ones too, in order of id."""
        ...

    def stored_issuers_stamp(self) -> tuple[int, int]:
        """Changes whenever a stored issuer does; cheap enough to ask once a second."""
        ...

    def issuer_trials(self) -> Mapping[str, LastTrial]:
        """When each issuer was last tried, by id; those never tried are left out."""
        ...

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        """How many certificates of an issuer have not expired, our own (OCSP responders)
        not counted; at least so many, where it has more than ``most``. None: not one of
        its newest ones, and there are too many of it, and of others, to look at all.

        ``most`` bounds the rows that are looked at.
        """
        ...


class JobReads(Protocol):
    """Leases of the jobs, and what they clean up."""

    def leases(self) -> Sequence[Lease]:
        """Every job that ever ran, in order of name."""
        ...


class RetentionReads(Protocol):
    """What has been kept long enough, and what stands where it was."""

    def stubs(self) -> Sequence[AuditStub]:
        """Where audit events were dropped, in order of (node, first_seq)."""
        ...

    def last_stub(self, node: str) -> AuditStub | None:
        """Where the part of this node's chain that is left begins."""
        ...

    def expired_certificates(
        self, before_us: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        """Ids above ``after``, in their order, of certificates whose validity ended before
        that and that were never revoked.
        """
        ...


class ApiKeyReads(Protocol):
    """Keys of the management API, and answers kept for repeated writes."""

    def api_key(self, key_id: str) -> ApiKey | None: ...

    def api_keys(self) -> Sequence[ApiKey]:
        """Every key that ever was, in order of id."""
        ...

    def kept_answer(self, key: bytes, now_us: int) -> KeptAnswer | None:
        """An answer that has not expired."""
        ...


class SessionReads(Protocol):
    """Sessions of the web pages."""

    def session(self, digest: bytes) -> Session | None: ...


class SearchReads(Protocol):
    """What people look for; totals are counted up to ``most``. Not for an event loop."""

    def audit_page(self, query: AuditQuery, page: Page) -> AuditPage:
        """The newest events first; ``page.after`` is the last id seen."""
        ...

    def audit_total(self, query: AuditQuery, most: int = MOST_COUNTED) -> int | None:
        """None: only a walk over many events could tell."""
        ...

    def events_since(self, seen: Mapping[str, int], limit: int) -> Sequence[RecordedEvent]:
        """The next events of each node's chain, in order of (node, seq); ``seen`` holds the
        last seq of each, and a node that is not in it is read from its beginning.
        """
        ...

    def checkpoint_total(self) -> int: ...

    def audit_event(self, event_id: str, visible: Visible) -> RecordedEvent | None: ...

    def certificate_total(self, visible: Visible, most: int = MOST_COUNTED) -> int: ...

    def request_page(
        self, status: RequestStatus | None, visible: Visible, page: Page
    ) -> Sequence[WaitingRequest]: ...

    def request_total(
        self, status: RequestStatus | None, visible: Visible, most: int = MOST_COUNTED
    ) -> int: ...

    def activity(self, since_us: int, visible: Visible) -> Activity: ...

    def activity_by_hour(self, since_us: int, visible: Visible) -> Mapping[int, Activity]:
        """The same by whole hours since then, from 0; hours without any are left out."""
        ...

    def expiries(self, now_us: int, visible: Visible) -> Expiries | None:
        """None: there are too many to count now, and nobody has counted them yet."""
        ...


class FigureReads(Protocol):
    """What is counted beforehand, and what the jobs count it with."""

    def inventory_figures(self) -> InventoryFigures | None: ...

    def activity_span(self) -> ActivitySpan | None: ...

    def audit_proof(self) -> AuditProof | None: ...

    def expiry_bound(self, after_us: int, most: int) -> int | None:
        """The notAfter before which about ``most`` certificates expire from ``after_us`` on;
        None where they are no more than that.
        """
        ...

    def inventory_parts(
        self, now_us: int, from_us: int, until_us: int | None
    ) -> Sequence[InventoryPart]:
        """What is valid at ``now_us`` and expires in this range, by profile and tenant."""
        ...

    def counted_slots(self, from_us: int, until_us: int) -> Sequence[ActivitySlot]:
        """What was recorded in this time; both ends are multiples of a slot."""
        ...

    def recorded_since(self, since_us: int, most: int) -> int:
        """How many audit events, but no more than ``most``."""
        ...


class Records(
    CertificateReads,
    GateReads,
    RequestReads,
    IntentReads,
    AuditReads,
    ProfileReads,
    IssuerReads,
    JobReads,
    RetentionReads,
    OutboxReads,
    ApiKeyReads,
    SessionReads,
    SearchReads,
    FigureReads,
    StatusReads,
    Protocol,
):
    """The read-only side of the store, for workers and host commands."""

    def close(self) -> None: ...


class FactReads(Protocol):
    """What the authority's gates ask of the records; a ``Transaction`` has it, too."""

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        """The newest intent of each repetition key; absent ones are left out."""
        ...

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        """Current state by SHA-256 fingerprint; absent ones are left out."""
        ...

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        """Whole records; absent ones are left out."""
        ...

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        """DER by repetition key, for keys unexpired whose certificate is valid now."""
        ...

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        """What is on record by SHA-256 of SubjectPublicKeyInfo; unknown keys are left out."""
        ...

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        """Times (oldest first) on record by key of a limit; absent ones are left out."""
        ...

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        """Failed passwords by source; sources without any are left out."""
        ...

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        """Requests of whatever status by repetition key; absent ones are left out."""
        ...

    def waiting_number(self, now_us: int) -> int:
        """How many requests wait now."""
        ...
