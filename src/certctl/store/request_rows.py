"""Rows of ``requests`` and ``decisions`` to values and back, in the tables' column order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest


def request_row(request: WaitingRequest) -> tuple[Any, ...]:
    return (
        request.id,
        request.key,
        request.status.value,
        request.created_us,
        request.expires_us,
        request.profile,
        request.certificate_profile,
        request.operation,
        request.principal,
        request.auth_mode,
        request.subject,
        msgspec.json.encode(request.sans).decode(),
        request.source_address,
        request.request_id,
        request.approvals_needed,
        request.csr_der,
        request.note,
        request.certificate_id,
        request.tenant,
    )


def waiting_request(row: Sequence[Any]) -> WaitingRequest:
    return WaitingRequest(
        id=row[0],
        key=row[1],
        status=RequestStatus(row[2]),
        created_us=row[3],
        expires_us=row[4],
        profile=row[5],
        certificate_profile=row[6],
        operation=row[7],
        principal=row[8],
        auth_mode=row[9],
        subject=row[10],
        sans=tuple(msgspec.json.decode(row[11])),
        source_address=row[12],
        request_id=row[13],
        approvals_needed=row[14],
        csr_der=row[15],
        note=row[16],
        certificate_id=row[17],
        tenant=row[18],
    )


def decision(row: Sequence[Any]) -> Decision:
    return Decision(
        request_id=row[0],
        actor=row[1],
        approved=bool(row[2]),
        reason=row[3],
        decided_us=row[4],
    )
