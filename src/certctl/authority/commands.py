"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

import msgspec

from certctl.domain.api_keys import Role
from certctl.domain.approval import Decided
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.revocation import Revocation, RevocationReason
from certctl.domain.trust_change import TrustChange

SYSTEM = "system"
"""The actor of what happens by itself or by a signal."""


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``RevocationDone``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


class ReloadTrust(msgspec.Struct, frozen=True, kw_only=True, tag="reload_trust"):
    """Read one profile's trust bundle again (est §10), or with ``registration`` its list of
    registration authorities. Answer: ``TrustReloaded``.

    With ``SYSTEM`` as actor a file that has not changed leaves no event: then nobody
    asked for this profile by name.
    """

    path_id: str
    actor: str
    registration: bool = False


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


class TrustReloaded(msgspec.Struct, frozen=True, tag="trust_reloaded"):
    """The bundle is in force from ``reloaded_us`` on; workers take it over at once."""

    change: TrustChange
    reloaded_us: int


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


class TakeLease(msgspec.Struct, frozen=True, kw_only=True, tag="take_lease"):
    """Ask for a job's lease (records §8). Answer: ``LeaseAnswer``."""

    job: str
    holder: str
    every_us: int
    lease_us: int


class LeaseAnswer(msgspec.Struct, frozen=True, tag="lease"):
    """The fence to name with everything the job writes; None: not now."""

    fence: int | None


class FinishJob(msgspec.Struct, frozen=True, kw_only=True, tag="finish_job"):
    """Give a lease back and say how the run went. Answer: ``JobFinished``."""

    job: str
    fence: int
    outcome: str


class JobFinished(msgspec.Struct, frozen=True, tag="job_finished"):
    pass


class SealAudit(msgspec.Struct, frozen=True, kw_only=True, tag="seal_audit"):
    """Sign where the audit chains stand (records §5). Answer: ``Sealed``."""

    fence: int


class Sealed(msgspec.Struct, frozen=True, tag="sealed"):
    """The new checkpoint; None when there was nothing to seal."""

    checkpoint: Checkpoint | None


class PurgeExpired(msgspec.Struct, frozen=True, kw_only=True, tag="purge_expired"):
    """Remove rows that answer nothing any more, a bounded number. Answer: ``Purged``."""

    fence: int


class Purged(msgspec.Struct, frozen=True, tag="purged"):
    """How many rows went; as many as the bound means that there are more."""

    rows: int


class PutCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="put_profile"):
    """Keep a certificate profile in the store (policy §1). Answer: ``ProfileChanged``.

    ``document`` is JSON. ``expected_version`` 0 means that there must be none yet, None
    that it does not matter.
    """

    profile_id: str
    document: str
    actor: str
    expected_version: int | None = None


class DeleteCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="delete_profile"):
    """Remove a certificate profile from the store. Answer: ``ProfileChanged``."""

    profile_id: str
    actor: str
    expected_version: int | None = None


class ProfileChanged(msgspec.Struct, frozen=True, kw_only=True, tag="profile_changed"):
    profile_id: str
    version: int


class CreateApiKey(msgspec.Struct, frozen=True, kw_only=True, tag="create_key"):
    """Keep a key of the management API (operator §1). Answer: ``ApiKeyDone``."""

    key_id: str
    name: str
    role: Role
    digest: bytes
    actor: str
    tenant: str | None = None
    profiles: tuple[str, ...] = ()
    expires_us: int | None = None


class RevokeApiKey(msgspec.Struct, frozen=True, kw_only=True, tag="revoke_key"):
    """Revoke a key of the management API for good. Answer: ``ApiKeyDone``."""

    key_id: str
    actor: str


class ApiKeyDone(msgspec.Struct, frozen=True, tag="api_key"):
    """``changed_us`` is when it was made or (first) revoked."""

    key_id: str
    name: str
    changed_us: int


Command = (
    RevokeCertificate
    | ReloadTrust
    | ApproveRequest
    | DenyRequest
    | TakeLease
    | FinishJob
    | SealAudit
    | PurgeExpired
    | PutCertificateProfile
    | DeleteCertificateProfile
    | CreateApiKey
    | RevokeApiKey
)
CommandResult = (
    RevocationDone
    | TrustReloaded
    | RequestDecided
    | LeaseAnswer
    | JobFinished
    | Sealed
    | Purged
    | ProfileChanged
    | ApiKeyDone
)
