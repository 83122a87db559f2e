"""Keys of this API: ``/keys``. A key is shown once; its digest goes to the authority."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from certctl.authority.commands import ApiKeyDone, CreateApiKey, RevokeApiKey
from certctl.domain import api_keys
from certctl.domain.api_keys import SECRET_OCTETS, ApiKey, Role, key_digest, key_text
from certctl.domain.ids import sortable_id
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import (
    Listing,
    Moment,
    RecordId,
    Strict,
    microseconds,
    moment,
    moment_or_none,
)
from certctl.web.api.services import Api, Ask

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
PathId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{0,63}$")]


class KeyOut(BaseModel):
    """A key on record, never the key itself; ``status``: usable, expired or revoked."""

    id: str
    name: str
    role: Role
    status: str
    tenant: str | None
    profiles: list[str]
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    revoked_at: Moment | None


class NewKey(Strict):
    """A tenant or profiles hold the key to their part of the records."""

    name: str = Field(pattern=f"^{api_keys.NAME.pattern}$")
    role: Role
    tenant: Label | None = None
    profiles: list[PathId] = Field(default=[], max_length=100)
    expires_at: Moment | None = None


class KeyMade(BaseModel):
    """``key`` is shown this once; null when the same write is repeated."""

    id: str
    name: str
    key: str | None


class KeyRevoked(BaseModel):
    id: str
    name: str
    revoked_at: Moment


async def list_keys(api: Api) -> Listing[KeyOut]:
    """Every key that ever was made, revoked ones included."""
    now_us = api.clock()
    rows = await api.read(lambda records: records.api_keys())
    return Listing(data=[key_out(row, now_us) for row in rows], total=len(rows), next_cursor=None)


async def create_key(body: NewKey, ask: Ask) -> KeyMade:
    """Make a key; it is shown in this answer and never again."""
    api = ask.services
    key_id = sortable_id(api.clock(), api.random)
    text = key_text(key_id, api.random(SECRET_OCTETS))
    command = CreateApiKey(
        key_id=key_id,
        name=body.name,
        role=body.role,
        digest=key_digest(api.pepper, text),
        actor=ask.caller.actor,
        tenant=body.tenant,
        profiles=tuple(body.profiles),
        expires_us=microseconds(body.expires_at) if body.expires_at is not None else None,
    )
    done = await ask.do(command, ApiKeyDone)
    # A repeated write is answered with the key made first, whose text nobody has any more.
    return KeyMade(id=done.key_id, name=done.name, key=text if done.key_id == key_id else None)


async def revoke_key(key_id: RecordId, ask: Ask) -> KeyRevoked:
    """Revoke a key for good; it opens nothing within a second."""
    command = RevokeApiKey(key_id=key_id, actor=ask.caller.actor)
    done = await ask.do(command, ApiKeyDone)
    return KeyRevoked(id=done.key_id, name=done.name, revoked_at=moment(done.changed_us))


def key_out(row: ApiKey, now_us: int) -> KeyOut:
    usable = "usable" if row.usable(now_us) else "expired"
    return KeyOut(
        id=row.id,
        name=row.name,
        role=row.role,
        status=usable if row.revoked_us is None else "revoked",
        tenant=row.tenant,
        profiles=list(row.profiles),
        created_at=moment(row.created_us),
        created_by=row.created_by,
        expires_at=moment_or_none(row.expires_us),
        revoked_at=moment_or_none(row.revoked_us),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/keys",
        handler=list_keys,
        summary="API keys",
        role=Role.ADMIN,
        whole=True,
        answer=Listing[KeyOut],
        tag="keys",
    ),
    Endpoint(
        method="POST",
        path="/keys",
        handler=create_key,
        summary="Make an API key",
        role=Role.ADMIN,
        whole=True,
        answer=KeyMade,
        status=201,
        example={"name": "dashboard", "role": "viewer", "tenant": "north"},
        tag="keys",
    ),
    Endpoint(
        method="DELETE",
        path="/keys/{key_id}",
        handler=revoke_key,
        summary="Revoke an API key",
        role=Role.ADMIN,
        whole=True,
        answer=KeyRevoked,
        tag="keys",
    ),
)
