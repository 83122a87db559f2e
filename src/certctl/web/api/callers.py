"""Who calls the API: a Bearer key becomes a caller with a role and a part of the records.

Keys of the store are looked up by the id in them, one short read, and remembered for less
than a second: so long a revoked one may still open something. What decides is the digest,
compared in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from certctl.domain.api_keys import ApiKey, Role, Visible, key_digest, key_id_of
from certctl.domain.clock import SECOND_US, Clock

REMEMBERED_US = 9 * SECOND_US // 10
MOST_REMEMBERED = 1_024

_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose key it is. ``key_id`` tells two keys of one name apart."""

    name: str
    role: Role
    key_id: str
    visible: Visible = field(default_factory=Visible)
    expires_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's caller, as the guard has let it in."""

    holder: Holder
    source: str
    request_id: str
    tls_version: str

    @property
    def actor(self) -> str:
        """As audit events and decisions name it."""
        return f"key:{self.holder.name}"

    @property
    def visible(self) -> Visible:
        return self.holder.visible


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedKeyDigest:
    """A key out of the settings: its digest, not the key."""

    digest: bytes
    holder: Holder


class KeyReads(Protocol):
    def api_key(self, key_id: str) -> ApiKey | None: ...


class KeyRefused(Exception):
    """A token that opens nothing; ``reason`` is unknown, expired or revoked.

    ``name`` is the key's where it is one of ours: for the audit event, not for the answer.
    """

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name


class KeyRing:
    """Knows every key that opens the API; use it from the event loop."""

    def __init__(
        self, records: KeyReads, pepper: bytes, fixed: Sequence[FixedKeyDigest], clock: Clock
    ) -> None:
        self._records = records
        self._pepper = pepper
        self._fixed = tuple(fixed)
        self._clock = clock
        self._remembered: dict[str, tuple[ApiKey, int]] = {}

    def holder(self, token: str) -> Holder:
        """Whose key this is.

        Raises:
            KeyRefused: it opens nothing.
            StoreUnavailable: that cannot be told now.
        """
        digest = key_digest(self._pepper, token)
        found = None
        # All of them, always: where the right one stands shows in no time it takes.
        for each in self._fixed:
            if hmac.compare_digest(each.digest, digest):
                found = each.holder
        if found is not None:
            return found
        key_id = key_id_of(token)
        key = self._key(key_id) if key_id is not None else None
        if not hmac.compare_digest(key.digest if key else _NOBODY, digest) or key is None:
            raise KeyRefused("unknown")
        return self._usable(key)

    def by_id(self, key_id: str) -> Holder:
        """The same of a key that was shown before, in a log-in: it may have ended since.

        Raises:
            KeyRefused, StoreUnavailable: as above.
        """
        for each in self._fixed:
            if each.holder.key_id == key_id:
                return each.holder
        key = self._key(key_id)
        if key is None:
            raise KeyRefused("unknown")
        return self._usable(key)

    def _usable(self, key: ApiKey) -> Holder:
        if key.revoked_us is not None:
            raise KeyRefused("revoked", key.name)
        if not key.usable(self._clock()):
            raise KeyRefused("expired", key.name)
        return Holder(
            name=key.name,
            role=key.role,
            key_id=key.id,
            visible=Visible(tenant=key.tenant, profiles=key.profiles),
            expires_us=key.expires_us,
        )

    def _key(self, key_id: str) -> ApiKey | None:
        now_us = self._clock()
        known = self._remembered.get(key_id)
        if known is not None and 0 <= now_us - known[1] < REMEMBERED_US:
            return known[0]
        key = self._records.api_key(key_id)
        self._remembered.pop(key_id, None)
        if key is not None:
            while len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[key_id] = (key, now_us)
        return key
