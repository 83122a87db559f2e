"""Rows of ``intents`` to values and back, in the table's column order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from certctl.domain.intent import Intent, IntentStatus


def intent_row(intent: Intent) -> tuple[Any, ...]:
    return (
        intent.id,
        intent.key,
        intent.key if intent.is_open else None,
        intent.status.value,
        intent.owner,
        intent.created_us,
        intent.deadline_us,
        intent.closed_us,
        intent.issuer_id,
        intent.profile,
        intent.subject,
        intent.source_address,
        intent.request_id,
        intent.note,
        intent.certificate_id,
        intent.told_us,
        intent.tenant,
        intent.order,
    )


def intent_of(row: Sequence[Any]) -> Intent:
    return Intent(
        id=row[0],
        key=row[1],
        status=IntentStatus(row[3]),
        owner=row[4],
        created_us=row[5],
        deadline_us=row[6],
        closed_us=row[7],
        issuer_id=row[8],
        profile=row[9],
        subject=row[10],
        source_address=row[11],
        request_id=row[12],
        note=row[13],
        certificate_id=row[14],
        told_us=row[15],
        tenant=row[16],
        order=row[17],
    )
