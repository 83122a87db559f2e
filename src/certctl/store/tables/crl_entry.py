"""What a CRL's packed entry (``domain.crl.RevokedBlock``) is in SQL, in both databases.

It is NULL where the serial number is not of common form; times are for who asks to bound.
SQLite keeps it ready in an index, by this very expression: whoever changes it has to make
that index anew.
"""

from __future__ import annotations

from typing import Final

from certctl.domain.crl import COMMON_SERIALS, LETTERS
from certctl.domain.revocation import RevocationReason

REASON: Final = "coalesce(revocation_reason, 'unspecified')"

_OFTEN = (RevocationReason.SUPERSEDED, RevocationReason.UNSPECIFIED)


def _letter() -> str:
    # In the order in which they are compared: first what most certificates end with.
    reasons = dict.fromkeys((*_OFTEN, *RevocationReason))
    letters = " ".join(f"WHEN '{each}' THEN '{LETTERS[each]}'" for each in reasons)
    return f"CASE {REASON} {letters} END"


def _fits(low: str, high: str) -> str:
    return f"serial >= {low} AND serial < {high}"


SQLITE_FITS: Final = _fits(*(f"x'{serial.hex()}'" for serial in COMMON_SERIALS))
POSTGRES_FITS: Final = _fits(*(f"'\\x{serial.hex()}'::bytea" for serial in COMMON_SERIALS))
"""Whether a serial number is of common form."""

# Concatenated, blobs are what SQLite calls a text: octets and their number.
SQLITE_ENTRY: Final = f"CASE WHEN {SQLITE_FITS} THEN serial || revoked_us || {_letter()} END"
POSTGRES_ENTRY: Final = (
    f"CASE WHEN {POSTGRES_FITS} THEN serial || convert_to(revoked_us::text || {_letter()}, 'UTF8')"
    " END"
)
