"""Rows as they stand, page by page: nothing is decoded, so nothing wrong is hidden."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import case, func, select, text, tuple_
from sqlalchemy.engine import Connection

from certctl.domain.audit import AuditAction
from certctl.domain.inspection import (
    CertificateRow,
    EventRow,
    NameRow,
    ReleasedRow,
    RepetitionRow,
    SerialRow,
)
from certctl.store.tables import (
    audit_events,
    certificate_names,
    certificates,
    compromised_keys,
    released_holds,
    repetitions,
)

_c = certificates.c
_e = audit_events.c


def certificate_rows(connection: Connection, after: str, limit: int) -> Sequence[CertificateRow]:
    columns = [_c[name] for name in CertificateRow._fields]
    clause = select(*columns).where(_c.id > after).order_by(_c.id).limit(limit)
    return [CertificateRow(*row) for row in connection.execute(clause).fetchall()]


def event_rows(connection: Connection, node: str, after_seq: int, limit: int) -> Sequence[EventRow]:
    columns = [_e[name] for name in EventRow._fields[:-1]]
    revoked = _e.action == AuditAction.CERTIFICATE_REVOKED.value
    clause = (
        select(*columns, case((revoked, _e.details), else_="").label("details"))
        .where(_e.node == node)
        .where(_e.seq > after_seq)
        .order_by(_e.seq)
        .limit(limit)
    )
    return [EventRow._make(row) for row in connection.execute(clause).fetchall()]


def repetition_rows(connection: Connection, after: bytes, limit: int) -> Sequence[RepetitionRow]:
    _r = repetitions.c
    clause = select(_r.key, _r.certificate_id).where(_r.key > after).order_by(_r.key).limit(limit)
    return [RepetitionRow(*row) for row in connection.execute(clause).fetchall()]


def name_rows(connection: Connection, after: tuple[bytes, str], limit: int) -> Sequence[NameRow]:
    """Behind (name, certificate id), in that order."""
    _n = certificate_names.c
    place = tuple_(_n.name, _n.certificate_id)
    clause = (
        select(_n.name, _n.certificate_id, _n.kinds)
        .where(place > tuple_(*after))
        .order_by(_n.name, _n.certificate_id)
        .limit(limit)
    )
    return [NameRow(*row) for row in connection.execute(clause).fetchall()]


def released_rows(connection: Connection, after: str, limit: int) -> Sequence[ReleasedRow]:
    _h = released_holds.c
    clause = (
        select(_h.certificate_id, _h.released_us)
        .where(_h.certificate_id > after)
        .order_by(_h.certificate_id)
        .limit(limit)
    )
    return [ReleasedRow(*row) for row in connection.execute(clause).fetchall()]


def standing_of(connection: Connection, issuer_id: str, serial: bytes) -> SerialRow | None:
    """What stands under a number (20 octets) of an issuer."""
    clause = (
        select(_c.id, _c.status, released_holds.c.released_us)
        .outerjoin(released_holds, released_holds.c.certificate_id == _c.id)
        .where(_c.serial == serial)
        .where(_c.issuer_id == issuer_id)
    )
    rows = connection.execute(clause).fetchall()
    return SerialRow(*rows[0]) if rows else None


def compromised(connection: Connection, keys: Collection[bytes]) -> Collection[bytes]:
    """Which of these SHA-256 hashes of public keys are on record as compromised."""
    _k = compromised_keys.c
    clause = select(_k.spki_sha256).where(_k.spki_sha256.in_([*keys]))
    return set(connection.execute(clause).scalars())


def on_record(connection: Connection, ids: Collection[str]) -> Collection[str]:
    """Which of these ids are those of certificates."""
    return set(connection.execute(select(_c.id).where(_c.id.in_([*ids]))).scalars())


def row_total(connection: Connection) -> int:
    """About how many there are. PostgreSQL would read millions of rows to count them."""
    if connection.dialect.name == "postgresql":
        estimate = text("SELECT reltuples FROM pg_class WHERE oid = to_regclass('certificates')")
        return max(int(connection.execute(estimate).scalar() or 0), 0)
    return connection.execute(select(func.count()).select_from(certificates)).scalar() or 0
