"""Enrollment passwords as the workers hold them: keyed digests, never the text.

The key is random per process start, so a digest is worth nothing elsewhere, and two
digests have equal length whatever was sent: the comparison tells no length.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

DIGEST = hashlib.sha256


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PasswordDigest:
    """HMAC-SHA-256 of one profile's enrollment password."""

    key: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str, key: bytes) -> PasswordDigest:
        return cls(key=key, digest=hmac.digest(key, password.encode(), DIGEST))

    def matches(self, password: str) -> bool:
        """Compare in constant time over equal-length digests; empty never matches."""
        offered = hmac.digest(self.key, password.encode("utf-8", "surrogatepass"), DIGEST)
        return hmac.compare_digest(offered, self.digest) and bool(password)
