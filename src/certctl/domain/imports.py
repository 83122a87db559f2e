"""Certificates of other sources on record (records §3): whose they are called, and why one
is not taken.
"""

from __future__ import annotations

import hashlib

EXTERNAL = "external:"
"""Begins the issuer id of every CA that is not one of this server: no setting can."""

MOST_AT_ONCE = 200
"""Certificates of one transaction; orders are served between two."""


def external_issuer(issuer_der: bytes, name: str | None = None) -> str:
    """The issuer id of a foreign CA: as the operator calls it, or by the SHA-256 of its
    name (DER), so that two foreign CAs may have given the same number.
    """
    return EXTERNAL + (name or hashlib.sha256(issuer_der).hexdigest()[:12])


class ImportRefused(ValueError):
    """A certificate that cannot be put on record; the text says why."""
