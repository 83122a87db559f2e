"""Rows as they stand in the store, for a check that trusts nobody's reading of them."""

from __future__ import annotations

from typing import NamedTuple


class CertificateRow(NamedTuple):
    """Columns of ``certificates`` that say something which the certificate says too."""

    id: str
    status: str
    not_before_us: int
    not_after_us: int
    issued_us: int
    fingerprint: bytes
    serial: bytes
    issuer_id: str
    profile: str
    subject_key: bytes
    subject_der: bytes
    san_der: bytes
    certificate_profile: str
    subject: str
    sans: str
    key_algorithm: str
    spki_sha256: bytes
    principal: str
    source: str
    renews: str | None
    revoked_us: int | None
    revocation_reason: str | None
    der: bytes
    crl_partition: int | None = None


class EventRow(NamedTuple):
    """Columns of ``audit_events`` that tie an event to a certificate; ``details`` (JSON)
    only of a revocation's.
    """

    seq: int
    time_us: int
    action: str
    outcome: str
    resource_type: str
    resource_id: str
    details: str


class RepetitionRow(NamedTuple):
    key: bytes
    certificate_id: str


class NameRow(NamedTuple):
    """What a certificate is searched by; ``kinds`` as in ``store.names``."""

    name: bytes
    certificate_id: str
    kinds: int


class ReleasedRow(NamedTuple):
    """When the hold of a certificate was last taken back."""

    certificate_id: str
    released_us: int


class SerialRow(NamedTuple):
    """Who has a serial number, and how it stands now."""

    certificate_id: str
    status: str
    released_us: int | None


class Finding(NamedTuple):
    """One thing that does not fit.

    Attributes:
        kind: one word to filter by.
        certificate: id of the row, or what else the finding is about.
        serial: hexadecimal, empty where there is none.
        problem: for people; what comes from rows is escaped.
    """

    kind: str
    certificate: str
    serial: str
    problem: str
