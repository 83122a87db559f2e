"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

import msgspec

from certctl.domain.approval import Decided
from certctl.domain.revocation import Revocation, RevocationReason


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``Revocation``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


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


Command = RevokeCertificate | ApproveRequest | DenyRequest
CommandResult = RevocationDone | RequestDecided
