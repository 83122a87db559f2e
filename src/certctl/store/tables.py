"""The tables, as Core metadata (records §3, §5, §6). Migrations make them, never this module.

Times are integers, microseconds since 1970 (UTC). Types are those that SQLite's STRICT
tables and PostgreSQL share. An index of random keys costs a page per certificate written,
so there are only those that nothing else replaces: names, keys, fingerprints. Others grow
at one end (time, or a group and then time) or hold few rows (partial); adr/0006.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# STRICT tables know INTEGER (64 bits) and refuse BIGINT.
Integer64: Final = BigInteger().with_variant(Integer(), "sqlite")

# Small, often read columns come first: SQLite reads a row from its start, and the two
# long values at the end need not be touched for a state.
certificates: Final = Table(
    "certificates",
    metadata,
    Column("id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("not_before_us", Integer64, nullable=False),
    Column("not_after_us", Integer64, nullable=False),
    Column("issued_us", Integer64, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # 20 octets, big endian: equal numbers are equal rows, however they were written.
    Column("serial", LargeBinary, nullable=False),
    Column("issuer_id", Text, nullable=False),
    Column("profile", Text, nullable=False),
    # First 16 octets of SHA-256 over subject and SANs in their comparable form
    # (wire.identity): what a renewal without client certificate is found by.
    Column("subject_key", LargeBinary, nullable=False),
    Column("subject_der", LargeBinary, nullable=False),
    Column("san_der", LargeBinary, nullable=False),
    Column("certificate_profile", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("auth_mode", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sans", Text, nullable=False),
    Column("key_algorithm", Text, nullable=False),
    Column("spki_sha256", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("tls_version", Text, nullable=False),
    Column("channel_binding", Text, nullable=False),
    Column("renews", Text),
    Column("revoked_us", Integer64),
    Column("revocation_reason", Text),
    Column("tenant", Text),
    Column("csr_sha256", LargeBinary, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("csr_der", LargeBinary, nullable=False),
    UniqueConstraint("serial", "issuer_id"),
    CheckConstraint("length(serial) = 20", name="serial"),
    CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    CheckConstraint("status IN ('valid', 'revoked')", name="status"),
    sqlite_strict=True,
)
Index(None, certificates.c.subject_key, certificates.c.id)
# One key under two identities is found by it, and a key's certificates by people.
Index(None, certificates.c.spki_sha256)
# The inventory's (adr/0006). Each group of the first grows at its end, for ids rise with time.
Index(
    None,
    certificates.c.profile,
    certificates.c.certificate_profile,
    certificates.c.issuer_id,
    certificates.c.id,
)
Index(None, certificates.c.not_after_us, certificates.c.id)
Index(None, certificates.c.fingerprint)


def _few(name: str, where: str, *columns: Column[Any]) -> None:
    """An index of the few rows that ``where`` lets in; enrollments do not touch it."""
    Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


REVOKED: Final = "status = 'revoked'"
ON_HOLD: Final = "revocation_reason = 'certificateHold'"
NOT_EST: Final = "source <> 'EST'"
_few("ix_certificates_revoked", REVOKED, certificates.c.id)
_few("ix_certificates_on_hold", ON_HOLD, certificates.c.id)
_few("ix_certificates_not_est", NOT_EST, certificates.c.source, certificates.c.id)
_few("ix_certificates_tenant", "tenant IS NOT NULL", certificates.c.tenant, certificates.c.id)
_few("ix_certificates_renews", "renews IS NOT NULL", certificates.c.renews)

# What people search a certificate by: CNs, SANs and principal, in the form of
# ``domain.inventory.search_key``; ``kinds`` says which of them it is (bits).
certificate_names: Final = Table(
    "certificate_names",
    metadata,
    Column("name", LargeBinary, nullable=False),
    # No foreign key: both rows come in one transaction and none is ever removed, so that
    # looking the parent up would be all that it does.
    Column("certificate_id", Text, nullable=False),
    Column("kinds", Integer64, nullable=False),
    PrimaryKeyConstraint("name", "certificate_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# When a hold was last taken back: what a delta CRL has to remove (RFC 5280 §5.2.4).
released_holds: Final = Table(
    "released_holds",
    metadata,
    Column("certificate_id", Text, ForeignKey("certificates.id"), nullable=False),
    Column("released_us", Integer64, nullable=False),
    PrimaryKeyConstraint("certificate_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# One chain per node; a row is never changed (triggers, see the migration).
audit_events: Final = Table(
    "audit_events",
    metadata,
    Column("node", Text, nullable=False),
    Column("seq", Integer64, nullable=False),
    Column("id", Text, nullable=False),
    Column("time_us", Integer64, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_type", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("auth_mode", Text, nullable=False),
    Column("client_certificate_subject", Text, nullable=False),
    Column("client_certificate_serial", Text, nullable=False),
    Column("tls_version", Text, nullable=False),
    Column("count", Integer64, nullable=False),
    Column("details", Text, nullable=False),
    Column("tenant", Text),
    Column("previous_digest", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("node", "seq"),
    CheckConstraint("seq > 0", name="seq"),
    CheckConstraint("length(digest) = 32", name="digest"),
    sqlite_strict=True,
)
# One certificate's trail; it grows at one end but for revocations.
_few(
    "ix_audit_events_certificate",
    "resource_type = 'certificate'",
    audit_events.c.resource_id,
)

# Lists for people are in order of id, newest first; ids rise, so the index grows at its end.
Index(None, audit_events.c.id)

counters: Final = Table(
    "counters",
    metadata,
    Column("profile", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("n", Integer64, nullable=False),
    PrimaryKeyConstraint("profile", "label", "node"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# The repetition key of policy §5: its uniqueness is what makes one request one certificate.
repetitions: Final = Table(
    "repetitions",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("certificate_id", Text, ForeignKey("certificates.id"), nullable=False),
    Column("expires_us", Integer64, nullable=False),
    PrimaryKeyConstraint("key"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Which CA certificate (SHA-256) an issuer id stands for: never a second CA.
ca: Final = Table(
    "ca",
    metadata,
    Column("issuer_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("issuer_id"),
    CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

meta: Final = Table(
    "meta",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Sources with failed passwords (est §3); a success removes the row.
lockouts: Final = Table(
    "lockouts",
    metadata,
    Column("source", Text, nullable=False),
    Column("failures", Integer64, nullable=False),
    Column("window_began_us", Integer64, nullable=False),
    PrimaryKeyConstraint("source"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index(None, lockouts.c.window_began_us)

# The sliding window of policy §5: one row per principal, ``hits`` its times, eight octets
# each (big endian microseconds), oldest first. One row, so that two nodes meet on its lock.
limits: Final = Table(
    "limits",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("hits", LargeBinary, nullable=False),
    Column("newest_us", Integer64, nullable=False),
    PrimaryKeyConstraint("key"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index(None, limits.c.newest_us)

# Requests that wait for an operator, or waited (policy §5). ``key`` is the repetition key.
requests: Final = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    Column("profile", Text, nullable=False),
    Column("certificate_profile", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("auth_mode", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sans", Text, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("approvals_needed", Integer64, nullable=False),
    Column("csr_der", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("certificate_id", Text),
    Column("tenant", Text),
    UniqueConstraint("key"),
    CheckConstraint("status IN ('waiting', 'approved', 'denied', 'issued')", name="status"),
    sqlite_strict=True,
)
Index(None, requests.c.status, requests.c.id)
Index(None, requests.c.expires_us)

# Who decided what about a waiting request: nobody twice.
decisions: Final = Table(
    "decisions",
    metadata,
    Column("request_id", Text, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("approved", Integer64, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_us", Integer64, nullable=False),
    PrimaryKeyConstraint("request_id", "actor"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Keys that are known to be in wrong hands; no certificate for them, ever (policy §2).
compromised_keys: Final = Table(
    "compromised_keys",
    metadata,
    Column("spki_sha256", LargeBinary, nullable=False),
    Column("noted_us", Integer64, nullable=False),
    PrimaryKeyConstraint("spki_sha256"),
    CheckConstraint("length(spki_sha256) = 32", name="spki_sha256"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Certificate profiles made through the API (policy §1); ``document`` is JSON.
certificate_profiles: Final = Table(
    "certificate_profiles",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer64, nullable=False),
    Column("document", Text, nullable=False),
    Column("changed_us", Integer64, nullable=False),
    PrimaryKeyConstraint("id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Keys of the management API (operator §1); never the key itself. ``profiles`` is JSON.
api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("tenant", Text),
    Column("profiles", Text, nullable=False),
    Column("expires_us", Integer64),
    Column("revoked_us", Integer64),
    PrimaryKeyConstraint("id"),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="role"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# What a write of the API answered, for whoever asks again with its Idempotency-Key.
kept_answers: Final = Table(
    "kept_answers",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("result", LargeBinary, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    PrimaryKeyConstraint("key"),
    CheckConstraint("length(key) = 32", name="key"),
    CheckConstraint("length(request) = 32", name="request"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index(None, kept_answers.c.expires_us)

# Who is logged in to the web pages (operator §2).
sessions: Final = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("opened_us", Integer64, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    PrimaryKeyConstraint("digest"),
    CheckConstraint("length(digest) = 32", name="digest"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index(None, sessions.c.expires_us)

# Signed seals over all audit chains (records §5); never changed (triggers).
checkpoints: Final = Table(
    "checkpoints",
    metadata,
    Column("number", Integer64, nullable=False),
    Column("made_us", Integer64, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("heads", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number"),
    sqlite_strict=True,
)

# Who runs which job, and since when it last ran (records §8).
leases: Final = Table(
    "leases",
    metadata,
    Column("job", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("fence", Integer64, nullable=False),
    Column("until_us", Integer64, nullable=False),
    Column("last_run_us", Integer64, nullable=False),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("job"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Events on their way to channels (records §7): one row per event and channel. ``at_us`` is
# when a waiting one is due, and since when another is what it is.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("made_us", Integer64, nullable=False),
    Column("at_us", Integer64, nullable=False),
    Column("attempts", Integer64, nullable=False),
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("event_id", "channel"),
    CheckConstraint("status IN ('waiting', 'delivered', 'dead')", name="status"),
    sqlite_strict=True,
)
# What is due, what can be purged, and how much of it there is.
Index(None, outbox.c.status, outbox.c.at_us, outbox.c.channel)
# Whether an earlier one of the same subject still waits.
Index(None, outbox.c.channel, outbox.c.subject, outbox.c.made_us)

# How far notices of what expires soon have come.
notice_marks: Final = Table(
    "notice_marks",
    metadata,
    Column("name", Text, nullable=False),
    Column("at_us", Integer64, nullable=False),
    Column("id", Text, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
