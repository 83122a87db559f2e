"""Sessions of the web pages (operator §2): who logged in with which API key, and until when.

A session holds no role: what it may do is what its key may do at that moment, so a revoked
key ends its sessions. The token in the cookie is a secret of 256 random bits; only its
digest is kept, so a copy of the database opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from certctl.domain.clock import SECOND_US

TOKEN_OCTETS = 32

MOST_US = 12 * 3_600 * SECOND_US
"""No session lives longer, however busy it is."""

BEARER = "session "
"""Before a token where an API key would be, towards the authority."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session on record.

    Attributes:
        digest: SHA-256 of the token.
        key_id: of the API key it was opened with.
        expires_us: when it ends unless somebody uses it before.
    """

    digest: bytes
    key_id: str
    opened_us: int
    expires_us: int

    def usable(self, now_us: int) -> bool:
        return now_us < self.expires_us


def expiry(*, opened_us: int, now_us: int, idle_us: int) -> int:
    """When a session that is used now ends if nobody uses it again."""
    return min(now_us + idle_us, opened_us + MOST_US)


def token_text(secret: bytes) -> str:
    """A session's token as the cookie carries it: base64url without padding."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def token_digest(text: str) -> bytes | None:
    """The digest that a token is found by; None: this is no token of ours."""
    if _TOKEN.fullmatch(text) is None:
        return None
    return hashlib.sha256(b"certctl session 1\0" + text.encode()).digest()


def session_of_bearer(bearer: str) -> bytes | None:
    """The digest of the session that stands for a key; None: it is no session."""
    return token_digest(bearer.removeprefix(BEARER)) if bearer.startswith(BEARER) else None
