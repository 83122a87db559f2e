"""What a worker may have done: commands with an API key that covers them, and no others.

A worker faces the network and may run somebody else's code some day. So it is not asked
whose command it is: the key that came with the request is judged here once more, against
the command itself, in the transaction that carries it out; who did it stands on record by
that key, not by the worker's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from certctl.authority.commands import (
    ApproveRequest,
    BeginBulkRevoke,
    Command,
    CreateApiKey,
    DeleteCertificateProfile,
    DenyRequest,
    FinishBulkRevoke,
    ImportCertificates,
    PutCertificateProfile,
    ReleaseCertificate,
    ReloadTrust,
    RequeueDeliveries,
    RevokeApiKey,
    RevokeCertificate,
    RevokeSlice,
)
from certctl.authority.commands.issuers import (
    ChangeIssuer,
    CreateIssuer,
    DeleteIssuer,
    InstallIssuer,
    TestIssuer,
)
from certctl.authority.commands.sessions import CloseSession, ExtendSession, OpenSession
from certctl.domain.api_keys import Role, Visible
from certctl.domain.errors import CommandRefused
from certctl.domain.key_holders import (
    EVERYBODY,
    FixedKeyDigest,
    Holder,
    KeyRefused,
    holder_by_id,
    holder_of,
)
from certctl.domain.ports import Transaction
from certctl.domain.sessions import session_of_bearer

ROLES: Mapping[type[Command], Role] = {
    RevokeCertificate: Role.OPERATOR,
    ReleaseCertificate: Role.OPERATOR,
    ImportCertificates: Role.OPERATOR,
    ApproveRequest: Role.OPERATOR,
    DenyRequest: Role.OPERATOR,
    BeginBulkRevoke: Role.ADMIN,
    RevokeSlice: Role.ADMIN,
    FinishBulkRevoke: Role.ADMIN,
    ReloadTrust: Role.ADMIN,
    RequeueDeliveries: Role.ADMIN,
    PutCertificateProfile: Role.ADMIN,
    DeleteCertificateProfile: Role.ADMIN,
    CreateApiKey: Role.ADMIN,
    RevokeApiKey: Role.ADMIN,
    TestIssuer: Role.ADMIN,
    CreateIssuer: Role.ADMIN,
    InstallIssuer: Role.ADMIN,
    ChangeIssuer: Role.ADMIN,
    DeleteIssuer: Role.ADMIN,
    OpenSession: Role.VIEWER,
    ExtendSession: Role.VIEWER,
    CloseSession: Role.VIEWER,
}
"""What a key must at least have. No key opens what is not here: that is for jobs alone."""

WHOLE: frozenset[type[Command]] = frozenset(
    {
        ImportCertificates,
        RequeueDeliveries,
        PutCertificateProfile,
        DeleteCertificateProfile,
        CreateApiKey,
        RevokeApiKey,
        TestIssuer,
        CreateIssuer,
        InstallIssuer,
        ChangeIssuer,
        DeleteIssuer,
    }
)
"""Not for keys that are held to a tenant or to EST profiles."""

_ANY_PROFILE = "*"
"""Stands where criteria name no EST profile; no path ID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGate:
    """Keys that open commands.

    Attributes:
        fixed: keys of the settings, beside those of the store.
        tenants: of the EST profiles, by path ID.
        open: ``AUTH_TYPE=none``: everybody is an admin.
    """

    pepper: bytes = field(repr=False)
    fixed: Sequence[FixedKeyDigest] = ()
    tenants: Mapping[str, str | None] = field(default_factory=dict)
    open: bool = False

    def admit(
        self, command: Command, bearer: str, transaction: Transaction, now_us: int
    ) -> Command:
        """The command as the holder of the key gives it.

        Raises:
            CommandRefused: the key does not cover it.
        """
        needed = ROLES.get(type(command))
        if needed is None:
            raise CommandRefused("not_for_keys")
        holder = self._holder(bearer, transaction, now_us)
        if not holder.role.covers(needed):
            raise CommandRefused("role", wanted=needed.value, name=holder.name)
        visible = holder.visible
        if not visible.everything and (
            type(command) in WHOLE or not self._covers(visible, command, transaction)
        ):
            raise CommandRefused("scope", name=holder.name)
        if isinstance(command, OpenSession):
            # A session is of the key that was shown, whatever the worker says.
            tenant = holder.visible.tenant
            return msgspec.structs.replace(
                command, actor=holder.actor, key_id=holder.key_id, tenant=tenant
            )
        if (
            isinstance(command, ExtendSession | CloseSession)
            and session_of_bearer(bearer) != command.digest
        ):
            raise CommandRefused("scope", name=holder.name)
        return msgspec.structs.replace(command, actor=holder.actor)

    def _holder(self, bearer: str, transaction: Transaction, now_us: int) -> Holder:
        if self.open:
            return EVERYBODY
        if not bearer:
            raise CommandRefused("no_key")
        session = session_of_bearer(bearer)
        try:
            if session is not None:
                return self._logged_in(session, transaction, now_us)
            return holder_of(
                bearer, self.pepper, fixed=self.fixed, find=transaction.api_key, now_us=now_us
            )
        except KeyRefused as refused:
            raise CommandRefused(refused.reason, name=refused.name) from None

    def _logged_in(self, digest: bytes, transaction: Transaction, now_us: int) -> Holder:
        session = transaction.session(digest)
        if session is None or not session.usable(now_us):
            raise KeyRefused("session")
        return holder_by_id(
            session.key_id, fixed=self.fixed, find=transaction.api_key, now_us=now_us
        )

    def _covers(self, visible: Visible, command: Command, transaction: Transaction) -> bool:
        """What the command is about is of the key's part; what is not there is refused by
        whoever carries the command out.
        """
        match command:
            case RevokeCertificate() | ReleaseCertificate():
                certificate = transaction.certificate(command.certificate_id)
                return certificate is None or visible.covers(
                    tenant=certificate.tenant, profile=certificate.profile
                )
            case ApproveRequest() | DenyRequest():
                request = transaction.request(command.request_id)
                return request is None or visible.covers(
                    tenant=request.tenant, profile=request.profile
                )
            case BeginBulkRevoke() | RevokeSlice():
                criteria = command.criteria
                profile = criteria.profile if criteria.profile is not None else _ANY_PROFILE
                return visible.covers(tenant=criteria.tenant, profile=profile)
            case ReloadTrust():
                tenant = self.tenants.get(command.path_id)
                return visible.covers(tenant=tenant, profile=command.path_id)
            case OpenSession() | ExtendSession() | CloseSession():
                return True
            case FinishBulkRevoke():
                # Changes nothing but the answer to this very key's own repeated request.
                return True
            case _:
                return False
