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

from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.certificates import CertificateKey, CertificateRecord, CertificateState
from certctl.domain.order import Issued, Order
from certctl.domain.principal import Credential


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

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None: ...

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        """Keep (key, certificate id, expires_us); an expired or void row is replaced.

        Raises:
            DuplicateKey: another unexpired row with a valid certificate holds the key.
        """
        ...

    def last_event(self, node: str) -> RecordedEvent | None:
        """End of this node's audit chain."""
        ...

    def append_events(self, events: Sequence[RecordedEvent]) -> None: ...

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
        self, profile: str, subject_der: bytes, now_us: int
    ) -> Sequence[CertificateState]:
        """Valid, unexpired certificates of a profile with exactly this subject (DER),
        newest first, at most 20.
        """
        ...

    def certificate(self, certificate_id: str) -> CertificateRecord | None: ...

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        """Pages of the inventory in order of id; ``after`` is the last id seen."""
        ...

    def events(self, *, after_seq: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        """Pages of this store's audit events in order of (node, seq)."""
        ...

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        """Counters by (profile, counter), summed over nodes."""
        ...

    def close(self) -> None: ...


class Authority(Protocol):
    """The inner process, seen from a worker."""

    async def issue(self, order: Order) -> Issued:
        """Sign and record; the certificate is durable when this returns.

        Raises:
            Failure: PolicyViolation, CertificateRefused, Unavailable …
        """
        ...

    def record_refusal(self, event: AuditEvent, counter: Counter | None) -> None:
        """Hand over a refusal to be recorded soon (≤ 50 ms); never waits."""
        ...


class ClientTrust(Protocol):
    """Judges client certificates for one profile against its own anchors."""

    def verify(self, chain: Sequence[bytes], now_us: int) -> Credential:
        """Path validation of a presented chain (DER, leaf first) and the checks of EKU,
        KeyUsage and CA flag.

        Raises:
            CertificateRefused: untrusted, expired, not_yet_valid, wrong_usage.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate:
    """A signed certificate that has not left the authority: it is not on record yet."""

    der: bytes
    serial: str
    not_before_us: int
    not_after_us: int


class Issuer(Protocol):
    """A CA that signs in this process."""

    def ca_chain(self) -> tuple[bytes, ...]:
        """DER certificates from the issuing CA up to its root."""
        ...

    def sign(
        self, order: Order, ekus: Sequence[str], *, now_us: int, backdate_us: int, lifetime_us: int
    ) -> SignedCertificate:
        """Build and sign the certificate of an order (policy §3).

        ``ekus`` are dotted OIDs. ``lifetime_us`` 0 means the issuer's own; notAfter is
        capped to the CA's.

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
