"""Keys of the management API, inside a transaction: made and revoked (operator §1).

The key itself never comes here: whoever makes it hands over a digest and shows the text
once.
"""

from __future__ import annotations

from certctl.authority.commands import ApiKeyDone, CreateApiKey, RevokeApiKey
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.api_keys import NAME, ApiKey
from certctl.domain.audit import AuditAction
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Transaction


def create(command: CreateApiKey, transaction: Transaction, now_us: int) -> Done:
    """Keep a new key.

    Raises:
        Conflict: its name cannot be one, or it would never be usable.
    """
    if NAME.fullmatch(command.name) is None:
        raise Conflict("the name of an API key is letters, digits, dot, dash and underscore")
    if command.expires_us is not None and command.expires_us <= now_us:
        raise Conflict("the API key would have expired already")
    key = ApiKey(
        id=command.key_id,
        name=command.name,
        role=command.role,
        digest=command.digest,
        created_us=now_us,
        created_by=command.actor,
        tenant=command.tenant,
        profiles=command.profiles,
        expires_us=command.expires_us,
    )
    transaction.record_api_key(key)
    return _done(key, AuditAction.API_KEY_CREATED, actor=command.actor, now_us=now_us)


def revoke(command: RevokeApiKey, transaction: Transaction, now_us: int) -> Done:
    """Revoke a key; the first revocation stands, and a second one leaves nothing.

    Raises:
        NotFound: there is no such key.
    """
    key = transaction.api_key(command.key_id)
    if key is None:
        raise NotFound(f"API key {command.key_id}")
    if key.revoked_us is not None:
        return Done(result=ApiKeyDone(key.id, key.name, changed_us=key.revoked_us))
    transaction.revoke_api_key(key.id, now_us)
    return _done(key, AuditAction.API_KEY_REVOKED, actor=command.actor, now_us=now_us)


def _done(key: ApiKey, action: AuditAction, *, actor: str, now_us: int) -> Done:
    event = event_by(
        actor,
        action,
        now_us=now_us,
        resource_type="api_key",
        resource_id=key.id,
        details={
            "name": key.name,
            "role": key.role.value,
            "profiles": list(key.profiles),
            "expires_us": key.expires_us or 0,
        },
        tenant=key.tenant,
    )
    return Done(result=ApiKeyDone(key.id, key.name, changed_us=now_us), events=(event,))
