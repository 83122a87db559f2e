"""Audit events and counters (records §5 and §6): the closed sets and the value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from certctl.domain.profiles import Operation


class AuditAction(StrEnum):
    """What an audit event tells; names are the guide's."""

    SIMPLE_ENROLL_SUCCESS = "est_simple_enroll_success"
    SIMPLE_ENROLL_FAILED = "est_simple_enroll_failed"
    SIMPLE_REENROLL_SUCCESS = "est_simple_reenroll_success"
    SIMPLE_REENROLL_FAILED = "est_simple_reenroll_failed"
    AUTH_FAILED_BASIC = "est_auth_failed_basic"
    AUTH_FAILED_MTLS = "est_auth_failed_mtls"
    AUTH_FAILED_CHANNEL_BINDING = "est_auth_failed_channel_binding"
    CSR_POLICY_VIOLATION = "est_csr_policy_violation"
    RATE_LIMITED = "est_rate_limited"
    TRUST_ANCHOR_RELOADED = "est_trust_anchor_reloaded"
    REQUEST_PENDING = "est_request_pending"
    REQUEST_APPROVED = "est_request_approved"
    REQUEST_DENIED = "est_request_denied"
    INTENT_LOST = "intent_lost"
    DEVICE_STATE_FAILED = "est_device_state_failed"
    BULK_REVOKE = "est_bulk_revoke"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_RELEASED = "certificate_released"
    CERTIFICATE_IMPORTED = "certificate_imported"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    API_REFUSED = "api_refused"
    LOGIN_SUCCESS = "login_success"
    LOGIN_FAILED = "login_failed"
    LOGIN_ENDED = "login_ended"
    CONFIG_CHANGED = "config_changed"
    AUDIT_RETENTION = "audit_retention"
    RECORD_RETENTION = "record_retention"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"
    EVENTS_REQUEUED = "events_requeued"
    ISSUER_TESTED = "issuer_tested"


FAILED: Mapping[Operation, AuditAction] = {
    Operation.SIMPLEENROLL: AuditAction.SIMPLE_ENROLL_FAILED,
    Operation.SIMPLEREENROLL: AuditAction.SIMPLE_REENROLL_FAILED,
}
"""What a failure of an operation leaves where it has no action of its own."""


class Counter(StrEnum):
    """The twelve counters per profile."""

    SUCCESS_SIMPLEENROLL = "success_simpleenroll"
    SUCCESS_SIMPLEREENROLL = "success_simplereenroll"
    SUCCESS_SERVERKEYGEN = "success_serverkeygen"
    AUTH_FAILED_BASIC = "auth_failed_basic"
    AUTH_FAILED_MTLS = "auth_failed_mtls"
    AUTH_FAILED_CHANNEL_BINDING = "auth_failed_channel_binding"
    CSR_INVALID = "csr_invalid"
    CSR_POLICY_VIOLATION = "csr_policy_violation"
    CSR_SIGNATURE_MISMATCH = "csr_signature_mismatch"
    RATE_LIMITED = "rate_limited"
    ISSUER_ERROR = "issuer_error"
    INTERNAL_ERROR = "internal_error"


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


class AuditEvent(Struct, frozen=True, kw_only=True):
    """One audit event as its cause hands it over; the authority adds id, seq and hash.

    ``details`` holds only JSON values (text, numbers, lists of text) and never a
    secret. ``count`` is above 1 where identical refusals were folded (records §6).
    """

    time_us: int
    actor: str
    actor_type: str
    action: AuditAction
    outcome: Outcome
    profile: str
    resource_type: str = ""
    resource_id: str = ""
    source_address: str = ""
    request_id: str = ""
    auth_mode: str = ""
    client_certificate_subject: str = ""
    client_certificate_serial: str = ""
    tls_version: str = ""
    count: int = 1
    details: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    tenant: str | None = None


class RecordedEvent(Struct, frozen=True, kw_only=True):
    """An audit event on record, with its place in the node's chain.

    ``digest`` is SHA-256 over the previous event's digest and this event's canonical
    form (see ``certctl.authority.audit``).
    """

    id: str
    node: str
    seq: int
    event: AuditEvent
    previous_digest: bytes
    digest: bytes
