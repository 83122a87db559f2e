"""Rows as they stand, page by page: nothing is decoded, so nothing wrong is hidden."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from certctl.domain.inspection import CertificateRow, EventRow, RepetitionRow
from certctl.store.tables import audit_events, certificates, compromised_keys, repetitions

_c = certificates.c
_e = audit_events.c


def certificate_rows(connection: Connection, after: str, limit: int) -> Sequence[CertificateRow]:
    columns = [_c[name] for name in CertificateRow._fields]
    clause = select(*columns).where(_c.id > after).order_by(_c.id).limit(limit)
    return [CertificateRow(*row) for row in connection.execute(clause).fetchall()]


def event_rows(connection: Connection, node: str, after_seq: int, limit: int) -> Sequence[EventRow]:
    columns = [_e[name] for name in EventRow._fields]
    clause = (
        select(*columns).where(_e.node == node).where(_e.seq > after_seq).order_by(_e.seq)
    ).limit(limit)
    return [EventRow(*row) for row in connection.execute(clause).fetchall()]


def repetition_rows(connection: Connection, after: bytes, limit: int) -> Sequence[RepetitionRow]:
    _r = repetitions.c
    clause = select(_r.key, _r.certificate_id).where(_r.key > after).order_by(_r.key).limit(limit)
    return [RepetitionRow(*row) for row in connection.execute(clause).fetchall()]


def compromised(connection: Connection, keys: Collection[bytes]) -> Collection[bytes]:
    """Which of these SHA-256 hashes of public keys are on record as compromised."""
    _k = compromised_keys.c
    clause = select(_k.spki_sha256).where(_k.spki_sha256.in_([*keys]))
    return set(connection.execute(clause).scalars())


def certificate_total(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(certificates)).scalar() or 0
