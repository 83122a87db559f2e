"""Read events on their way to channels, and what notices are due (records §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select, tuple_
from sqlalchemy.engine import Connection

from certctl.domain.certificates import CertificateSource, CertificateStatus
from certctl.domain.events import Delivery, DeliveryStatus, NoticeMark
from certctl.store.outbox_rows import delivery
from certctl.store.tables import certificates, notice_marks, outbox

_o = outbox.c
_WAITING = DeliveryStatus.WAITING.value
_VALID = CertificateStatus.VALID.value


def due(connection: Connection, channel: str, now_us: int, limit: int) -> Sequence[Delivery]:
    """Due rows of one channel that no earlier row of their subject holds back."""
    earlier = outbox.alias("earlier")
    held_back = (
        select(earlier.c.event_id)
        .where(
            earlier.c.channel == _o.channel,
            earlier.c.subject == _o.subject,
            earlier.c.made_us < _o.made_us,
            earlier.c.status == _WAITING,
        )
        .exists()
    )
    clause = (
        select(outbox)
        .where(_o.status == _WAITING, _o.at_us <= now_us, _o.channel == channel, ~held_back)
        .order_by(_o.at_us, _o.made_us)
        .limit(limit)
    )
    return [delivery(row) for row in connection.execute(clause).fetchall()]


def page(
    connection: Connection,
    status: DeliveryStatus | None,
    after: tuple[str, str] | None,
    limit: int,
) -> Sequence[Delivery]:
    """The next deliveries in order of event id and channel, at most ``limit``."""
    clause = select(outbox).order_by(_o.event_id, _o.channel).limit(limit)
    if status is not None:
        clause = clause.where(_o.status == status.value)
    if after is not None:
        clause = clause.where(tuple_(_o.event_id, _o.channel) > tuple_(*after))
    return [delivery(row) for row in connection.execute(clause).fetchall()]


def of_event(connection: Connection, event_id: str) -> Sequence[Delivery]:
    clause = select(outbox).where(_o.event_id == event_id).order_by(_o.channel)
    return [delivery(row) for row in connection.execute(clause).fetchall()]


def depth(connection: Connection) -> Mapping[tuple[str, DeliveryStatus], int]:
    """Rows that wait or are dead, by channel and status."""
    clause = (
        select(_o.channel, _o.status, func.count())
        .where(_o.status.in_([_WAITING, DeliveryStatus.DEAD.value]))
        .group_by(_o.channel, _o.status)
    )
    rows = connection.execute(clause).fetchall()
    return {(row[0], DeliveryStatus(row[1])): int(row[2]) for row in rows}


def marks(connection: Connection) -> Mapping[str, NoticeMark]:
    rows = connection.execute(select(notice_marks)).fetchall()
    return {row[0]: NoticeMark(name=row[0], at_us=row[1], id=row[2]) for row in rows}


def mark(connection: Connection, name: str) -> NoticeMark | None:
    clause = select(notice_marks).where(notice_marks.c.name == name)
    row = connection.execute(clause).first()
    return NoticeMark(name=row[0], at_us=row[1], id=row[2]) if row is not None else None


def expiring(
    connection: Connection, after: NoticeMark, until_us: int, limit: int
) -> Sequence[tuple[str, int]]:
    """Ids and notAfter, in the order of notAfter and id, of what nobody has renewed.

    Renewed is what a valid certificate of its profile names as renewed, or has the names
    of and lasts longer.
    """
    c = certificates.c
    newer = certificates.alias("newer")
    same_names = (
        select(newer.c.id)
        .where(
            newer.c.subject_key == c.subject_key,
            newer.c.profile == c.profile,
            newer.c.status == _VALID,
            newer.c.not_after_us > c.not_after_us,
        )
        .exists()
    )
    renewal = certificates.alias("renewal")
    renewed = (
        select(renewal.c.id).where(renewal.c.renews == c.id, renewal.c.status == _VALID).exists()
    )
    clause = (
        select(c.id, c.not_after_us)
        .where(
            # One pair, as ``queries.drivers``: the walk begins right behind it.
            tuple_(c.not_after_us, c.id) > tuple_(after.at_us, after.id),
            c.not_after_us <= until_us,
            c.status == _VALID,
            # The listener's own certificate renews itself.
            c.source != CertificateSource.INTERNAL.value,
            ~same_names,
            ~renewed,
        )
        .order_by(c.not_after_us, c.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(clause).fetchall()]
