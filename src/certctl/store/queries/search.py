"""Look through the records for people: pages and totals of what a key may see.

Every value travels as a parameter; prefixes and texts are compared by functions that
SQLite and PostgreSQL share, so that no character of theirs means anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select, true
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus, WaitingRequest
from certctl.domain.audit import RecordedEvent
from certctl.domain.ids import oldest_id
from certctl.domain.search import MOST_LOOKED_AT, AuditPage, AuditQuery, Page, folded
from certctl.store.queries.audit import nodes
from certctl.store.queries.audit import page as page_of
from certctl.store.request_rows import waiting_request
from certctl.store.rows import recorded_event
from certctl.store.tables import audit_events, certificates, checkpoints
from certctl.store.tables import requests as request_table

_e = audit_events.c

# An event's id is made when it is recorded, after its cause; a clock that was set back in
# between must hide nothing.
_CLOCK_SLACK_US = 86_400 * 1_000_000

# How much later than its cause an event is recorded, at most: a worker may wait for the
# authority, and refusals are folded for a moment.
_RECORDED_WITHIN_US = 3_600 * 1_000_000


def audit_page(connection: Connection, query: AuditQuery, page: Page) -> AuditPage:
    """The newest events first; ``page.after`` is the last id seen."""
    clause = select(audit_events).where(audit_condition(query)).order_by(_e.id.desc(), _e.node)
    if page.after is not None:
        clause = clause.where(_e.id < page.after)
    last = None if query.finds_all else _last_looked_at(connection, query, page.after)
    if last is not None:
        clause = clause.where(_e.id >= last)
    rows = [recorded_event(row) for row in _rows(connection, clause, page)]
    return AuditPage(rows=rows, rest=last)


def audit_total(connection: Connection, query: AuditQuery, most: int) -> int | None:
    if not query.finds_all and _last_looked_at(connection, query, None) is not None:
        return None
    return _total(connection, audit_events, audit_condition(query), most)


def _last_looked_at(connection: Connection, query: AuditQuery, after: str | None) -> str | None:
    """The id down to which one page looks; None: to the end. Reads an index alone."""
    clause = select(_e.id).where(_ids(query)).order_by(_e.id.desc())
    if after is not None:
        clause = clause.where(_e.id < after)
    found = connection.execute(clause.offset(MOST_LOOKED_AT - 1).limit(1)).scalar()
    return str(found) if found is not None else None


def _ids(query: AuditQuery) -> ColumnElement[bool]:
    """There is no index by time, but ids rise with it."""
    conditions: list[ColumnElement[bool]] = []
    if query.since_us is not None:
        conditions.append(_e.id >= oldest_id(max(0, query.since_us - _CLOCK_SLACK_US)))
    if query.until_us is not None:
        conditions.append(_e.id < oldest_id(max(0, query.until_us + _RECORDED_WITHIN_US)))
    return and_(true(), *conditions)


def events_since(
    connection: Connection, seen: Mapping[str, int], limit: int
) -> Sequence[RecordedEvent]:
    """The next events of every chain, in order of (node, seq), at most ``limit``."""
    found: list[RecordedEvent] = []
    for node in nodes(connection):
        found += page_of(connection, node, seen.get(node, 0), limit - len(found))
        if len(found) >= limit:
            break
    return found


def checkpoint_total(connection: Connection) -> int:
    """Checkpoints are numbered without gaps."""
    clause = select(func.coalesce(func.max(checkpoints.c.number), 0))
    return int(connection.execute(clause).scalar_one())


def audit_event(connection: Connection, event_id: str, visible: Visible) -> RecordedEvent | None:
    seen = visible_part(audit_events, visible)
    clause = select(audit_events).where(_e.id == event_id, seen).limit(1)
    rows = connection.execute(clause).fetchall()
    return recorded_event(rows[0]) if rows else None


def certificate_total(connection: Connection, visible: Visible, most: int) -> int:
    return _total(connection, certificates, visible_part(certificates, visible), most)


def request_page(
    connection: Connection, status: RequestStatus | None, visible: Visible, page: Page
) -> Sequence[WaitingRequest]:
    """In order of id; ``page.after`` is the last id seen."""
    clause = select(request_table).where(_of_status(status, visible))
    clause = _after(clause, request_table, page)
    return [waiting_request(row) for row in _rows(connection, clause, page)]


def request_total(
    connection: Connection, status: RequestStatus | None, visible: Visible, most: int
) -> int:
    return _total(connection, request_table, _of_status(status, visible), most)


def audit_condition(query: AuditQuery) -> ColumnElement[bool]:
    conditions = [visible_part(audit_events, query.visible), _ids(query)]
    if query.action:
        conditions.append(func.substr(_e.action, 1, len(query.action)) == query.action)
    if query.actor is not None:
        conditions.append(_e.actor == query.actor)
    if query.profile is not None:
        conditions.append(_e.profile == query.profile)
    if query.outcome is not None:
        conditions.append(_e.outcome == query.outcome.value)
    if query.source is not None:
        conditions.append(_e.source_address == query.source)
    if query.since_us is not None:
        conditions.append(_e.time_us >= query.since_us)
    if query.until_us is not None:
        conditions.append(_e.time_us < query.until_us)
    if query.text:
        # The columns' collation knows ASCII letters alone; so must the text, or it finds nothing.
        wanted = folded(query.text)
        columns = (_e.details, _e.actor, _e.resource_id, _e.client_certificate_subject)
        conditions.append(
            or_(*(func.lower(each).contains(wanted, autoescape=True) for each in columns))
        )
    return and_(*conditions)


def _of_status(status: RequestStatus | None, visible: Visible) -> ColumnElement[bool]:
    seen = visible_part(request_table, visible)
    return seen if status is None else and_(seen, request_table.c.status == status.value)


def visible_part(table: Table, visible: Visible) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    if visible.tenant is not None:
        conditions.append(table.c.tenant == visible.tenant)
    if visible.profiles:
        conditions.append(table.c.profile.in_([*visible.profiles]))
    return and_(true(), *conditions)


def _after(clause: Select[Any], table: Table, page: Page) -> Select[Any]:
    if page.after is not None:
        clause = clause.where(table.c.id > page.after)
    return clause.order_by(table.c.id)


def _rows(connection: Connection, clause: Select[Any], page: Page) -> Sequence[Any]:
    return connection.execute(clause.limit(page.limit).offset(page.skip)).fetchall()


def _total(connection: Connection, table: Table, found: ColumnElement[bool], most: int) -> int:
    """How many rows, but no more than ``most``."""
    some = select(table.c.id).where(found).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())
