"""Cursors: a place in a list as one opaque word, good for that very list alone.

A forged one only begins elsewhere in the same list: every value in it is a bound
parameter, and the filter is not taken from it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Annotated

import msgspec

from certctl.domain.inventory import CertificateFilter, CursorRefused, ListOrder, order_of

LONGEST = 2_048


# A forged one must not hold what no database takes: larger numbers, NUL in a text.
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z]{0,64}\Z")]


class _Written(msgspec.Struct, frozen=True, array_like=True):
    list_digest: bytes
    key: bytes | _Number
    id: _Id


def write(place: tuple[bytes | int, str], wanted: CertificateFilter, *, oldest_first: bool) -> str:
    """The cursor that asks for what comes after ``place``: its key and id."""
    key, certificate_id = place
    written = _Written(_digest(wanted, oldest_first=oldest_first), key, certificate_id)
    return urlsafe_b64encode(msgspec.msgpack.encode(written)).decode().rstrip("=")


def read(cursor: str, wanted: CertificateFilter, *, oldest_first: bool) -> tuple[bytes | int, str]:
    """The place of ``write``.

    Raises:
        CursorRefused: it is no cursor, or one of another filter or order.
    """
    try:
        octets = urlsafe_b64decode(cursor[:LONGEST] + "=" * (-len(cursor[:LONGEST]) % 4))
        found = msgspec.msgpack.decode(octets, type=_Written)
    # Not ASCII, not base64, not ours.
    except (ValueError, msgspec.MsgspecError) as err:
        raise CursorRefused("no cursor") from err
    kind = bytes if order_of(wanted) is ListOrder.NAME else int
    if not isinstance(found.key, kind) or found.list_digest != _digest(
        wanted, oldest_first=oldest_first
    ):
        raise CursorRefused("a cursor of another list")
    return found.key, found.id


def _digest(wanted: CertificateFilter, *, oldest_first: bool) -> bytes:
    return sha256(msgspec.json.encode((wanted, oldest_first))).digest()[:8]
