"""A new API key on the host: its text is born here, and only a digest of it is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Self

from certctl.authority.commands import CreateApiKey
from certctl.domain.api_keys import SECRET_OCTETS, Role, key_digest, key_text
from certctl.domain.ids import sortable_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """One key that nobody knows yet; ``text`` is what its holder sends."""

    id: str
    text: str = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def at(cls, now_us: int, pepper: bytes) -> Self:
        key_id = sortable_id(now_us, secrets.token_bytes)
        text = key_text(key_id, secrets.token_bytes(SECRET_OCTETS))
        return cls(id=key_id, text=text, digest=key_digest(pepper, text))

    def command(
        self,
        actor: str,
        *,
        name: str,
        role: Role,
        tenant: str | None = None,
        profiles: tuple[str, ...] = (),
        expires_us: int | None = None,
    ) -> CreateApiKey:
        """The command that puts it on record."""
        return CreateApiKey(
            key_id=self.id,
            name=name,
            role=role,
            digest=self.digest,
            actor=actor,
            tenant=tenant,
            profiles=profiles,
            expires_us=expires_us,
        )
