"""Commands of operators about requests that wait for approval (policy §5)."""

from __future__ import annotations

import msgspec

from certctl.domain.approval import Decided


class ApproveRequest(msgspec.Struct, frozen=True, kw_only=True, tag="approve"):
    """Approve one waiting request (policy §5). Answer: ``RequestDecided``."""

    request_id: str
    reason: str
    actor: str


class DenyRequest(msgspec.Struct, frozen=True, kw_only=True, tag="deny"):
    """Deny one waiting request, for a reason its device is told. Answer: ``RequestDecided``."""

    request_id: str
    reason: str
    actor: str


class RequestDecided(msgspec.Struct, frozen=True, tag="decided"):
    decided: Decided


RequestCommand = ApproveRequest | DenyRequest
