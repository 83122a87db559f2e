"""Commands about keys of the management API (operator §1)."""

from __future__ import annotations

import msgspec

from certctl.domain.api_keys import Role


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


ApiKeyCommand = CreateApiKey | RevokeApiKey
