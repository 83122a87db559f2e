"""The rows of the twin in memory, by their keys."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field, fields

from certctl.domain.api_keys import ApiKey
from certctl.domain.approval import Decision, WaitingRequest
from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    CertificateStatus,
)
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.crl import CrlRecord
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.events import Delivery, NoticeMark
from certctl.domain.figures import ActivitySlot, Figures
from certctl.domain.intent import Intent
from certctl.domain.kept_answer import KeptAnswer
from certctl.domain.lease import Lease
from certctl.domain.lockout import Lockout
from certctl.domain.retention import AuditStub
from certctl.domain.sessions import Session
from certctl.domain.stored_issuers import LastTrial, StoredIssuer
from certctl.store.rows import state_of


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
    released: dict[str, int] = field(default_factory=dict)
    compromised: dict[bytes, int] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    stubs: dict[tuple[str, int], AuditStub] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    profiles: dict[str, StoredProfile] = field(default_factory=dict)
    issuers: dict[str, tuple[StoredIssuer, bytes]] = field(default_factory=dict)
    trials: dict[str, LastTrial] = field(default_factory=dict)
    lockouts: dict[str, Lockout] = field(default_factory=dict)
    outbox: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    marks: dict[str, NoticeMark] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    sessions: dict[bytes, Session] = field(default_factory=dict)
    answers: dict[bytes, KeptAnswer] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    figures: dict[type, Figures] = field(default_factory=dict)
    slots: dict[tuple[int, str, str], ActivitySlot] = field(default_factory=dict)
    crls: dict[str, CrlRecord] = field(default_factory=dict)
    crl_partitions: dict[int, CrlPartition] = field(default_factory=dict)
    crl_parts: dict[tuple[str, int, int], bytes] = field(default_factory=dict)

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
        return record if is_valid(record, now_us) else None


def is_valid(record: CertificateRecord, now_us: int) -> bool:
    return record.status is CertificateStatus.VALID and record.not_after_us > now_us


def states(tables: Tables, keys: Collection[CertificateKey]) -> dict[bytes, CertificateState]:
    wanted = {key.fingerprint for key in keys}
    records = tables.certificates.values()
    return {each.fingerprint: state_of(each) for each in records if each.fingerprint in wanted}
