"""Ports: what the use cases need from the outside, named after intents.

Adapters in ``store``, ``issuers`` and ``trust`` implement them; only ``wiring`` knows
which. Everything that is not a coroutine here is fast enough for the event loop or
runs in the authority's own process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
)
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.order import Issued, Order
from certctl.domain.principal import Credential
from certctl.domain.revocation import RevocationReason
from certctl.domain.trust_change import TrustChange


class Transaction(Protocol):
    """One durable unit of the authority: all of it is on disk, or none."""

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        """Current state by SHA-256 fingerprint; absent ones are left out."""
        ...

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        """DER by repetition key, for keys unexpired whose certificate is valid now."""
        ...

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        """What is on record by SHA-256 of SubjectPublicKeyInfo; unknown keys are left out."""
        ...

    def certificate(self, certificate_id: str) -> CertificateRecord | None: ...

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        """Whole records; absent ones are left out."""
        ...

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None: ...

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        """Mark certificates as revoked; which may be is the caller's to know."""
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

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        """Times (oldest first) on record by key of a limit; absent ones are left out."""
        ...

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        """Replace the times (oldest first, at least one) of each key."""
        ...

    def forget_limits(self, before_us: int, most: int) -> None:
        """Drop at most so many keys, oldest first, whose newest time is not after that."""
        ...

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

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        """Failed passwords by source; sources without any are left out."""
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

    def stored_profiles(self) -> Sequence[StoredProfile]:
        """All certificate profiles of the store, in order of id."""
        ...

    def put_profile(self, profile: StoredProfile) -> None: ...

    def delete_profile(self, profile_id: str) -> None: ...

    def lease(self, job: str) -> Lease | None: ...

    def put_lease(self, lease: Lease) -> None:
        """Write a job's row, whether there was one or not."""
        ...

    def purge_expired(self, now_us: int, most: int) -> int:
        """Remove rows that answer nothing any more, at most ``most``; gives their number."""
        ...

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        """Add to the counters keyed (profile, counter) of this node."""
        ...


class DuplicateKey(Exception):
    """A unique key of the store is taken: run the batch again one by one."""


class WritableStore(Protocol):
    """The authority's side of the store; one thread, one transaction at a time."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit durably (fsync) at the end, roll back on any exception.

        Raises:
            StoreUnavailable: the database is full, locked or away; nothing was kept.
        """
        ...

    def close(self) -> None: ...


class Records(Protocol):
    """The read-only side of the store, for workers and host commands."""

    def state_of(self, key: CertificateKey) -> CertificateState | None: ...

    def newest_valid(
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        """The newest valid, unexpired certificate of a profile whose names are the same
        as these (DER) to a renewal (policy §5).
        """
        ...

    def lockout(self, source: str) -> Lockout | None:
        """Failed passwords of one source (``lockout.source_key``), if there are any."""
        ...

    def certificate(self, certificate_id: str) -> CertificateRecord | None: ...

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        """Certificates with this serial number (hex), one per issuer at most."""
        ...

    def request(self, request_id: str) -> WaitingRequest | None: ...

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        """Pages of the requests for approval in order of id."""
        ...

    def decisions(self, request_id: str) -> Sequence[Decision]:
        """What was said about a request, by time."""
        ...

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        """Pages of the inventory in order of id; ``after`` is the last id seen."""
        ...

    def events(self, *, after_seq: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        """Pages of this store's audit events in order of (node, seq)."""
        ...

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        """Pages of the audit trail's checkpoints in order of number."""
        ...

    def chain_heads(self) -> Sequence[ChainHead]:
        """Where each node's audit chain stands, in order of the nodes' names."""
        ...

    def stored_profiles(self) -> Sequence[StoredProfile]:
        """All certificate profiles of the store, in order of id."""
        ...

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        """Changes whenever a stored profile does; cheap enough to ask once a second."""
        ...

    def leases(self) -> Sequence[Lease]:
        """Every job that ever ran, in order of name."""
        ...

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        """Counters by (profile, counter), summed over nodes."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAttempt:
    """What a wrong password leaves on record if it is not refused as locked out."""

    event: AuditEvent
    counter: Counter


class Authority(Protocol):
    """The inner process, seen from a worker."""

    async def issue(self, order: Order) -> Issued:
        """Sign and record; the certificate is durable when this returns.

        Raises:
            Failure: PolicyViolation, CertificateRefused, Unavailable …
        """
        ...

    async def judge_attempt(self, source: str, wrong: WrongAttempt | None) -> None:
        """Count a wrong password of a source, or (None) clear its count after a right one.

        For requests that become no order; an order is judged with itself. A wrong one is
        durable on return, with its event and counter.

        Raises:
            LockedOut: the source has to wait, whatever the password was; not recorded.
            StoreUnavailable: it could not be counted, so nothing may be said about it.
        """
        ...

    def record_refusal(self, event: AuditEvent, counter: Counter | None) -> None:
        """Hand over a refusal to be recorded soon (≤ 50 ms); never waits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuestion:
    """What the device-state hook is told; field names are those of its JSON."""

    profile: str
    principal: str
    subject: str
    sans: tuple[str, ...]
    source: str
    request_id: str


class DeviceState(Protocol):
    """The operator's word on the state of a device, asked before it gets a certificate."""

    async def require_good(self, question: DeviceQuestion) -> None:
        """Ask; anything but a clear yes, in time, is a no.

        Raises:
            DeviceStateFailed: with a note for the device and the record.
        """
        ...


class ClientTrust(Protocol):
    """Judges client certificates for one profile against its own anchors."""

    def verify(self, chain: Sequence[bytes], now_us: int) -> Credential:
        """Path validation of a presented chain (DER, leaf first) and the checks of EKU,
        KeyUsage and CA flag.

        Raises:
            CertificateRefused: untrusted, expired, not_yet_valid, revoked, no_crl,
                wrong_usage.
        """
        ...

    def identify(self, leaf: bytes) -> CertificateKey:
        """What to look a certificate up by, without judging anything about it.

        Raises:
            CertificateRefused: untrusted (cannot be parsed).
        """
        ...

    def describe(self, leaf: bytes) -> Credential:
        """Names of a certificate without judging its issuer: only usage and form.

        Raises:
            CertificateRefused: wrong_usage, untrusted (cannot be parsed).
        """
        ...


class RegistrationAuthorities(Protocol):
    """Knows the registration authorities of one profile (RFC 7030 §3.7)."""

    def recognise(self, leaf: bytes, now_us: int) -> Credential | None:
        """The certificate (DER) as a registration authority's; None: it is not listed.

        Raises:
            CertificateRefused: listed, but untrusted, expired, not_yet_valid, wrong_usage.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One finding about a certificate: an error breaks RFC 5280, a warning is unwise."""

    code: str
    error: bool


class Linter(Protocol):
    def __call__(self, der: bytes) -> Sequence[LintFinding]:
        """Judge a certificate (DER) by RFC 5280."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate:
    """A signed certificate that has not left the authority: it is not on record yet."""

    der: bytes
    serial: str
    not_before_us: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the certificate profile adds to an order.

    Attributes:
        ekus: dotted OIDs; none leaves the extension out.
        backdate_us: how far notBefore lies before now.
        lifetime_us: 0 means the issuer's own.
        shortened_ppm: parts per million by which the lifetime, whosever it is, is cut.
        must_staple: with the TLS feature ``status_request``.
    """

    ekus: tuple[str, ...]
    backdate_us: int
    lifetime_us: int = 0
    shortened_ppm: int = 0
    must_staple: bool = False


class Issuer(Protocol):
    """A CA that signs in this process."""

    def ca_chain(self) -> tuple[bytes, ...]:
        """DER certificates from the issuing CA up to its root."""
        ...

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:
        """Build and sign the certificate of an order (policy §3).

        notAfter is capped to the CA's.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...


@runtime_checkable
class CanSignCRL(Protocol):
    """An issuer whose key may sign lists of revoked certificates here."""

    def sign_crl(self, tbs_der: bytes, *, last_number: int, now_us: int) -> bytes:
        """Check a TBSCertList that another process encoded, and sign it: the CRL (DER).

        ``last_number`` is the highest CRL number signed so far for this scope, 0 for
        none; a delta CRL may repeat it, a full CRL must be above it.

        Raises:
            CrlRefused: not a list of this issuer, or its number or dates are wrong.
            IssuerUnavailable: the key cannot be used now.
        """
        ...


@runtime_checkable
class CanIssueResponder(Protocol):
    """An issuer that lets another key answer OCSP for it (RFC 6960 §4.2.2.2)."""

    def issue_responder_certificate(
        self, spki_der: bytes, *, now_us: int, validity_us: int
    ) -> SignedCertificate:
        """A certificate for OCSP signing of the key ``spki_der``; to be recorded, too.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...


class TrustBundles(Protocol):
    """The trust bundles in force and the files they come from, by EST profile."""

    def examine(self, path_id: str, now_us: int) -> TrustChange:
        """Read a profile's file and say what taking it into force would change.

        Raises:
            NotFound: no such profile.
            TrustRefused: the profile has no bundle, or the file must not be used; what
                is in force stays.
        """
        ...

    def publish(self, change: TrustChange) -> None:
        """Put into force what ``examine`` has just read, for every worker."""
        ...
