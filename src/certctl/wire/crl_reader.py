"""What a TBSCertList really says, read by the one who is asked to sign it (RFC 5280 §5.1).

Whoever encoded it is not trusted: every octet is accounted for, the entries included
(``wire.crl_entry_checks``), so that nothing is signed that is another kind of object or
that a reader would refuse. Which serials stand in it cannot be judged here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from certctl.domain.clock import SECOND_US
from certctl.wire.crl import (
    AUTHORITY_KEY_IDENTIFIER,
    CRL_NUMBER,
    DELTA_CRL_INDICATOR,
    EXTENSIONS,
    FRESHEST_CRL,
    ISSUING_DISTRIBUTION_POINT,
    KEY_IDENTIFIER,
    MAX_NUMBER,
)
from certctl.wire.crl_entry_checks import check_entries
from certctl.wire.der import (
    INTEGER,
    SEQUENCE,
    DerError,
    expect,
    read,
    read_head,
    read_unsigned,
)
from certctl.wire.extensions import decode_extensions
from certctl.wire.pointers import check_url
from certctl.wire.times import decode_time

_VERSION_2 = b"\x02\x01\x01"

# The tags around a URL (RFC 5280 §4.2.1.13): DistributionPointName, fullName, URI.
_POINT_NAME = (0xA0, 0xA0, 0x86)
_IDP = (SEQUENCE, *_POINT_NAME)
_FRESHEST = (SEQUENCE, SEQUENCE, *_POINT_NAME)

# Extension with OID, whether it is critical (RFC 5280 §5.2).
_CRITICAL = {
    AUTHORITY_KEY_IDENTIFIER: False,
    CRL_NUMBER: False,
    DELTA_CRL_INDICATOR: True,
    ISSUING_DISTRIBUTION_POINT: True,
    FRESHEST_CRL: False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSummary:
    """A TBSCertList without its entries; times in microseconds since the epoch.

    Attributes:
        algorithm_der: AlgorithmIdentifier (DER) that the signature must have.
        issuer_der: Name (DER).
        distribution_point: URL of the IDP, or None for a CRL of the whole CA.
        base_number: of a delta CRL; None for a full one.
        freshest_url: of the delta CRL that a full one names, if any.
        has_entries: whether any certificate is in it.
    """

    algorithm_der: bytes
    issuer_der: bytes
    key_identifier: bytes
    number: int
    this_update_us: int
    next_update_us: int
    distribution_point: str | None
    base_number: int | None
    freshest_url: str | None
    has_entries: bool


class TbsReader:
    """Reads a TBSCertList (DER) of version 2 piece by piece, in the form of ``wire.crl``.

    What stands before the entries comes in the first piece, the extensions in the last,
    and no entry is cut in two.
    """

    __slots__ = (
        "_algorithm_der",
        "_entries_left",
        "_extensions",
        "_has_entries",
        "_issuer_der",
        "_left",
        "_next_update_us",
        "_removes",
        "_this_update_us",
    )

    def __init__(self) -> None:
        self._left: int | None = None
        self._entries_left = 0
        self._has_entries = self._removes = False
        self._extensions: dict[str, bytes] | None = None
        self._algorithm_der = self._issuer_der = b""
        self._this_update_us = self._next_update_us = 0

    def copy(self) -> TbsReader:
        """Another that has read the same so far."""
        return copy.copy(self)

    def feed(self, octets: bytes) -> None:
        """Read the next piece.

        Raises:
            DerError: anything but such a list: another type of object, a missing or
                unknown extension, an entry that is none, octets left over.
        """
        offset = self._read_front(octets) if self._left is None else 0
        self._left = (self._left or 0) - (len(octets) - offset)
        if self._left < 0:
            raise DerError("octets after the list")
        if self._entries_left and offset < len(octets):
            stop = min(len(octets), offset + self._entries_left)
            self._removes |= check_entries(octets, offset, stop)
            self._entries_left -= stop - offset
            offset = stop
        if offset < len(octets):
            if self._extensions is not None:
                raise DerError("octets after the extensions")
            content, stop = expect(octets, offset, len(octets), EXTENSIONS)
            if stop != len(octets):
                raise DerError("octets after the extensions")
            self._extensions = _read_extensions(octets[content:stop])

    def finish(self) -> CrlSummary:
        """What has been read, once that is all.

        Raises:
            DerError: something is missing, or an entry is removed in a full CRL.
        """
        values = self._extensions
        if self._left != 0 or values is None:
            raise DerError("the list is cut off")
        base = values.get(DELTA_CRL_INDICATOR)
        point = values.get(ISSUING_DISTRIBUTION_POINT)
        freshest = values.get(FRESHEST_CRL)
        if self._removes and base is None:
            raise DerError("only a delta CRL removes an entry")
        return CrlSummary(
            algorithm_der=self._algorithm_der,
            issuer_der=self._issuer_der,
            key_identifier=_descend(values[AUTHORITY_KEY_IDENTIFIER], (SEQUENCE, KEY_IDENTIFIER)),
            number=_read_number(values[CRL_NUMBER]),
            this_update_us=self._this_update_us,
            next_update_us=self._next_update_us,
            distribution_point=None if point is None else _read_url(point, _IDP),
            base_number=None if base is None else _read_number(base),
            freshest_url=None if freshest is None else _read_url(freshest, _FRESHEST),
            has_entries=self._has_entries,
        )

    def _read_front(self, octets: bytes) -> int:
        """Everything before the entries; gives where they begin."""
        end = len(octets)
        start, self._left = read_head(octets, SEQUENCE)
        # A certificate has another version, and dates in a SEQUENCE, where this insists.
        if not octets.startswith(_VERSION_2, start):
            raise DerError("not a CRL of version 2")
        algorithm = start + len(_VERSION_2)
        _, issuer = expect(octets, algorithm, end, SEQUENCE)
        _, this_update = expect(octets, issuer, end, SEQUENCE)
        self._algorithm_der = octets[algorithm:issuer]
        self._issuer_der = octets[issuer:this_update]
        self._this_update_us, next_update = _read_time(octets, this_update, end)
        self._next_update_us, offset = _read_time(octets, next_update, end)
        if octets[offset : offset + 1] == bytes((SEQUENCE,)):
            head, self._entries_left = read_head(octets, SEQUENCE, offset)
            if not self._entries_left:
                raise DerError("an empty list of entries is left out")
            self._has_entries = True
            offset = head
        self._left -= offset - start
        return offset


def decode_tbs(tbs: bytes) -> CrlSummary:
    """Read one that is at hand as a whole.

    Raises:
        DerError: as ``TbsReader``.
    """
    reader = TbsReader()
    reader.feed(tbs)
    return reader.finish()


def _read_time(data: bytes, offset: int, end: int) -> tuple[int, int]:
    """(microseconds since the epoch, end of the value)."""
    tag, start, stop = read(data, offset, end)
    return decode_time(tag, data[start:stop]) * SECOND_US, stop


def _read_extensions(der: bytes) -> dict[str, bytes]:
    found = decode_extensions(der)
    for one in found:
        if _CRITICAL.get(one.oid) is not one.critical:
            raise DerError(f"extension {one.oid} does not belong here in this form")
    values = {one.oid: one.value for one in found}
    for needed in (AUTHORITY_KEY_IDENTIFIER, CRL_NUMBER):
        if needed not in values:
            raise DerError(f"extension {needed} is missing")
    return values


def _read_number(value: bytes) -> int:
    number = read_unsigned(_descend(value, (INTEGER,)))
    if number > MAX_NUMBER:
        raise DerError("CRL number of more than twenty octets")
    return number


def _read_url(value: bytes, tags: tuple[int, ...]) -> str:
    try:
        url = _descend(value, tags).decode("ascii")
        check_url(url)
    except ValueError as err:
        raise DerError(f"distribution point: {err}") from err
    return url


def _descend(value: bytes, tags: tuple[int, ...]) -> bytes:
    """Content of the innermost of values that each fill the one around them."""
    start, end = 0, len(value)
    for tag in tags:
        start, stop = expect(value, start, end, tag)
        if stop != end:
            raise DerError("octets after a value")
    return value[start:end]
