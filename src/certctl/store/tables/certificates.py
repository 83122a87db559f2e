"""Certificates, their names, keys and repetitions."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from certctl.store.tables.base import Integer64, few, metadata
from certctl.store.tables.crl_entry import SQLITE_ENTRY

IN_PARTITION: Final = "status = 'revoked' AND crl_partition IS NOT NULL"

HELD: Final = "status = 'revoked' AND revocation_reason = 'certificateHold'"

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
    Column("crl_partition", Integer64),
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

REVOKED: Final = "status = 'revoked'"

ON_HOLD: Final = "revocation_reason = 'certificateHold'"

NOT_EST: Final = "source <> 'EST'"

few("ix_certificates_revoked", REVOKED, certificates.c.id)

few("ix_certificates_on_hold", ON_HOLD, certificates.c.id)

few("ix_certificates_not_est", NOT_EST, certificates.c.source, certificates.c.id)

few("ix_certificates_tenant", "tenant IS NOT NULL", certificates.c.tenant, certificates.c.id)

few("ix_certificates_renews", "renews IS NOT NULL", certificates.c.renews)

# What CRLs are made from, and nothing else: a certificate that is not revoked costs it
# nothing, and a list of a million is read without touching one row of the table. SQLite
# finds the octets of each entry there as they are handed over: to put them together costs
# as much as all else. PostgreSQL would want a function that it knows to be immutable.
_OF_LIST: Final = (
    certificates.c.serial,
    certificates.c.not_after_us,
    certificates.c.revocation_reason,
    # Always the same here; but what a condition names must stand in the index itself.
    certificates.c.status,
)

Index(
    "ix_certificates_crl",
    certificates.c.issuer_id,
    certificates.c.revoked_us,
    *_OF_LIST,
    postgresql_where=text(REVOKED),
).ddl_if(dialect="postgresql")

Index(
    "ix_certificates_crl_entry",
    certificates.c.issuer_id,
    certificates.c.revoked_us,
    text(SQLITE_ENTRY),
    *_OF_LIST,
    sqlite_where=text(REVOKED),
).ddl_if(dialect="sqlite")

# The same by partition; without partitions it is empty.
Index(
    "ix_certificates_crl_partition",
    certificates.c.issuer_id,
    certificates.c.crl_partition,
    certificates.c.revoked_us,
    *_OF_LIST,
    sqlite_where=text(IN_PARTITION),
    postgresql_where=text(IN_PARTITION),
)

# The only revocations that can be undone.
Index(
    "ix_certificates_held",
    certificates.c.issuer_id,
    certificates.c.status,
    certificates.c.revocation_reason,
    sqlite_where=text(HELD),
    postgresql_where=text(HELD),
)

# What people search a certificate by: CNs, SANs and principal, in the form of
# ``domain.inventory.search_key``; ``kinds`` says which of them it is (bits).
certificate_names: Final = Table(
    "certificate_names",
    metadata,
    Column("name", LargeBinary, nullable=False),
    # No foreign key: both rows come and go in one transaction, so that looking the parent
    # up would be all that it does; and to find names by certificate it would need an index.
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

# Its ids rise with time, so this index grows at one end.
Index(None, repetitions.c.certificate_id)

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
