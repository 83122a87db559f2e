"""Keep requests that wait for an operator, and what operators say (policy §5).

None of this is on the path of a profile that asks for no approval.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.engine import Connection

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.store.request_rows import request_row
from certctl.store.statement import nobodys
from certctl.store.tables import requests as request_table

_r = request_table.c
_COLUMNS = request_table.columns.keys()


def record_requests(connection: Connection, requests: Sequence[WaitingRequest]) -> None:
    """Insert all; one of the same key goes away with its decisions (they cascade)."""
    for each in sorted(requests, key=lambda request: request.key):
        connection.execute(delete(request_table).where(_r.key == each.key))
        values = dict(zip(_COLUMNS, request_row(each), strict=True))
        connection.execute(insert(request_table), values)


def record_decision(connection: Connection, decision: Decision) -> None:
    """Keep it; an earlier one of the same operator about the same request is replaced."""
    connection.execute(
        text(
            """
INSERT INTO decisions (request_id, actor, approved, reason, decided_us)
VALUES (:request_id, :actor, :approved, :reason, :decided_us)
ON CONFLICT (request_id, actor) DO UPDATE
SET approved = excluded.approved, reason = excluded.reason, decided_us = excluded.decided_us"""
        ),
        {
            "request_id": decision.request_id,
            "actor": decision.actor,
            "approved": int(decision.approved),
            "reason": decision.reason,
            "decided_us": decision.decided_us,
        },
    )


def settle(
    connection: Connection,
    request_id: str,
    status: RequestStatus,
    note: str,
    certificate_id: str | None,
) -> None:
    """Change where a request stands."""
    connection.execute(
        update(request_table)
        .where(_r.id == request_id)
        .values(status=status.value, note=note, certificate_id=certificate_id)
    )


def forget(connection: Connection, before_us: int, most: int) -> None:
    """Drop at most ``most`` requests that had expired by ``before_us``, oldest first."""
    clause = select(_r.id).where(_r.expires_us <= before_us).order_by(_r.expires_us).limit(most)
    old = nobodys(clause).scalar_subquery()
    connection.execute(delete(request_table).where(_r.id.in_(old)))
