"""Keys of the management API (operator §1): who may ask for what.

A key is a random secret that is shown once. What is kept is a keyed digest, which is of
no use to whoever copies the database alone. The id inside the text finds the row; the
digest proves the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "certctl"
"""First part of a key's text, so that scanners for leaked secrets can know one."""

SECRET_OCTETS = 32
PEPPER_OCTETS = 32

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""A key's name: it becomes an actor of the audit trail, ``key:NAME``."""

_TEXT = re.compile(rf"{PREFIX}_([0-9a-f]{{32}})_[0-9a-f]{{{2 * SECRET_OCTETS}}}")


class Role(StrEnum):
    """What a key may do; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whoever has this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key on record.

    Attributes:
        id: 32 hexadecimal characters, sortable by the time it was made; not secret.
        name: who uses it; several keys may share it while one replaces the other.
        tenant: the only tenant it sees; None sees all.
        profiles: path IDs of the only EST profiles it sees; empty sees all.
        digest: HMAC-SHA-256 of the key's text under the server's pepper.
        created_by: the actor that made it.
    """

    id: str
    name: str
    role: Role
    digest: bytes
    created_us: int
    created_by: str
    tenant: str | None = None
    profiles: tuple[str, ...] = ()
    expires_us: int | None = None
    revoked_us: int | None = None

    def usable(self, now_us: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """The part of the records that a key may see; the default is all of it."""

    tenant: str | None = None
    profiles: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        return self.tenant is None and not self.profiles

    def covers(self, *, tenant: str | None, profile: str) -> bool:
        """A thing of this tenant and EST profile may be seen."""
        return self.tenant in (None, tenant) and _among(profile, self.profiles)


def _among(profile: str, profiles: Collection[str]) -> bool:
    return not profiles or profile in profiles


def key_text(key_id: str, secret: bytes) -> str:
    """What the holder of a key sends as Bearer token."""
    return f"{PREFIX}_{key_id}_{secret.hex()}"


def key_id_of(text: str) -> str | None:
    """The id inside a key's text; None: this is no key of ours."""
    found = _TEXT.fullmatch(text)
    return found[1] if found else None


def key_digest(pepper: bytes, text: str) -> bytes:
    """What is kept of a key: HMAC-SHA-256 of its text, under the server's pepper."""
    return hmac.digest(pepper, text.encode("utf-8", "surrogateescape"), "sha256")


def pepper_digest(pepper: bytes) -> bytes:
    """What the store keeps of the pepper, so that another one is noticed (SHA-256)."""
    return hashlib.sha256(b"certctl api pepper 1\0" + pepper).digest()
