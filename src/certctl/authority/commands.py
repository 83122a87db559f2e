"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

import msgspec

from certctl.domain.revocation import Revocation, RevocationReason


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``Revocation``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


Command = RevokeCertificate
CommandResult = RevocationDone
