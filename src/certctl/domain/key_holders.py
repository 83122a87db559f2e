"""Whose API key a token is: the one judgement that workers and the authority share."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from certctl.domain.api_keys import ApiKey, Role, Visible, key_digest, key_id_of

_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose key it is. ``key_id`` tells two keys of one name apart."""

    name: str
    role: Role
    key_id: str
    visible: Visible = field(default_factory=Visible)
    expires_us: int | None = None

    @property
    def actor(self) -> str:
        """As audit events and decisions name it."""
        return f"key:{self.name}"


EVERYBODY = Holder(name="everybody", role=Role.ADMIN, key_id="everybody")
"""The caller where ``AUTH_TYPE=none``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedKeyDigest:
    """A key out of the settings: its digest, not the key."""

    digest: bytes
    holder: Holder


class KeyRefused(Exception):
    """A token that opens nothing; ``reason`` is unknown, expired or revoked.

    ``name`` is the key's where it is one of ours: for the audit event, not for the answer.
    """

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name


def holder_of(
    token: str,
    pepper: bytes,
    *,
    fixed: Sequence[FixedKeyDigest],
    find: Callable[[str], ApiKey | None],
    now_us: int,
) -> Holder:
    """Whose key this is; ``find`` looks one of the store up by its id. What decides is the
    digest, compared in constant time.

    Raises:
        KeyRefused: it opens nothing.
    """
    digest = key_digest(pepper, token)
    found = None
    # All of them, always: where the right one stands shows in no time it takes.
    for each in fixed:
        if hmac.compare_digest(each.digest, digest):
            found = each.holder
    if found is not None:
        return found
    key_id = key_id_of(token)
    key = find(key_id) if key_id is not None else None
    if not hmac.compare_digest(key.digest if key else _NOBODY, digest) or key is None:
        raise KeyRefused("unknown")
    return _usable(key, now_us)


def holder_by_id(
    key_id: str,
    *,
    fixed: Sequence[FixedKeyDigest],
    find: Callable[[str], ApiKey | None],
    now_us: int,
) -> Holder:
    """The same of a key that was shown before, in a log-in: it may have ended since.

    Raises:
        KeyRefused: it opens nothing any more.
    """
    for each in fixed:
        if each.holder.key_id == key_id:
            return each.holder
    key = find(key_id)
    if key is None:
        raise KeyRefused("unknown")
    return _usable(key, now_us)


def _usable(key: ApiKey, now_us: int) -> Holder:
    if key.revoked_us is not None:
        raise KeyRefused("revoked", key.name)
    if not key.usable(now_us):
        raise KeyRefused("expired", key.name)
    return Holder(
        name=key.name,
        role=key.role,
        key_id=key.id,
        visible=Visible(tenant=key.tenant, profiles=key.profiles),
        expires_us=key.expires_us,
    )
