"""What a TBSCertList really says, read by the one who is asked to sign it (RFC 5280 §5.1).

Whoever encoded it is not trusted: every octet is accounted for, the entries included,
so that nothing is signed that is another kind of object or that a reader would refuse.
Which serials stand in it cannot be judged here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from certctl.domain.clock import SECOND_US
from certctl.wire.crl import (
    AUTHORITY_KEY_IDENTIFIER,
    CODES,
    CRL_NUMBER,
    DELTA_CRL_INDICATOR,
    EXTENSIONS,
    FRESHEST_CRL,
    ISSUING_DISTRIBUTION_POINT,
    KEY_IDENTIFIER,
    MAX_NUMBER,
    REMOVE_FROM_CRL,
)
from certctl.wire.der import (
    INTEGER,
    SEQUENCE,
    DerError,
    expect,
    read,
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

# SEQUENCE { SEQUENCE { OID reasonCode, OCTET STRING { ENUMERATED } } }; the value follows.
_REASON_HEAD = bytes.fromhex("300c 300a 0603551d15 0403 0a01")
_REASONS_OF_DELTA = frozenset(bytes((code,)) for code in CODES.values() if code)
_REASONS = _REASONS_OF_DELTA - {bytes((CODES[REMOVE_FROM_CRL],))}


def _common_entries(reasons: frozenset[bytes]) -> re.Pattern[bytes]:
    """Nearly all entries: a serial of twenty octets, a UTCTime, perhaps a reason.

    A bounded number, so that a million of them leave little behind to go back to. Not
    possessive: Python before 3.11.5, Debian 12's among them, matches too much then.
    """
    serial = rb"\x02\x14[\x01-\x7f].{19}"
    long = rb"(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])"
    short = rb"(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)"
    february = rb"02(?:0[1-9]|1[0-9]|2[0-8])"
    # Of the years 1950 to 2049, each that four divides is a leap year.
    leap = rb"(?:[02468][048]|[13579][26])0229"
    days = b"(?:" + leap + b"|[0-9]{2}(?:" + b"|".join((long, short, february)) + b"))"
    date = rb"\x17\x0d" + days
    clock = rb"(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}Z"
    reason = re.escape(_REASON_HEAD) + b"[" + b"".join(map(re.escape, sorted(reasons))) + b"]"
    moment = serial + date + clock
    entry = rb"\x30(?:\x25" + moment + rb"|\x33" + moment + reason + rb")"
    return re.compile(rb"(?:" + entry + rb"){0,1000}", re.DOTALL)


_COMMON = _common_entries(_REASONS)
_COMMON_OF_DELTA = _common_entries(_REASONS_OF_DELTA)

_MAX_SERIAL = (1 << 160) - 1

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
    has_entries: bool


def decode_tbs(tbs: bytes) -> CrlSummary:
    """Read a TBSCertList (DER) of version 2, in the form that ``wire.crl`` writes.

    Raises:
        DerError: anything else: another type of object, a missing or unknown extension,
            an entry that is none, octets left over.
    """
    start, end = expect(tbs, 0, len(tbs), SEQUENCE)
    if end != len(tbs):
        raise DerError("octets after the list")
    # A certificate has another version, and dates in a SEQUENCE, where this insists.
    if not tbs.startswith(_VERSION_2, start, end):
        raise DerError("not a CRL of version 2")
    algorithm = start + len(_VERSION_2)
    _, issuer = expect(tbs, algorithm, end, SEQUENCE)
    _, this_update = expect(tbs, issuer, end, SEQUENCE)
    this_update_us, next_update = _read_time(tbs, this_update, end)
    next_update_us, offset = _read_time(tbs, next_update, end)
    entries = entries_end = offset
    if tbs[offset : offset + 1] == bytes((SEQUENCE,)):
        entries, entries_end = expect(tbs, offset, end, SEQUENCE)
        if entries == entries_end:
            raise DerError("an empty list of entries is left out")
    content, stop = expect(tbs, entries_end, end, EXTENSIONS)
    if stop != end:
        raise DerError("octets after the extensions")
    values = _read_extensions(tbs[content:stop])
    base = values.get(DELTA_CRL_INDICATOR)
    point = values.get(ISSUING_DISTRIBUTION_POINT)
    freshest = values.get(FRESHEST_CRL)
    if freshest is not None:
        _read_url(freshest, _FRESHEST)
    _check_entries(tbs, entries, entries_end, delta=base is not None)
    return CrlSummary(
        algorithm_der=tbs[algorithm:issuer],
        issuer_der=tbs[issuer:this_update],
        key_identifier=_descend(values[AUTHORITY_KEY_IDENTIFIER], (SEQUENCE, KEY_IDENTIFIER)),
        number=_read_number(values[CRL_NUMBER]),
        this_update_us=this_update_us,
        next_update_us=next_update_us,
        distribution_point=None if point is None else _read_url(point, _IDP),
        base_number=None if base is None else _read_number(base),
        has_entries=entries != entries_end,
    )


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


def _check_entries(data: bytes, start: int, end: int, *, delta: bool) -> None:
    common = _COMMON_OF_DELTA if delta else _COMMON
    while start < end:
        match = common.match(data, start, end)
        # The pattern also matches nothing at all, so there is always a match.
        start = match.end() if match else start
        if start < end:
            start = _check_rare(data, start, end, delta=delta)


def _check_rare(data: bytes, offset: int, end: int, *, delta: bool) -> int:
    start, stop = expect(data, offset, end, SEQUENCE)
    serial, serial_end = expect(data, start, stop, INTEGER)
    if read_unsigned(data[serial:serial_end]) > _MAX_SERIAL:
        raise DerError("a serial of more than twenty octets")
    _, time_end = _read_time(data, serial_end, stop)
    if time_end != stop:
        tail = data[time_end:stop]
        reasons = _REASONS_OF_DELTA if delta else _REASONS
        if not (tail.startswith(_REASON_HEAD) and tail[len(_REASON_HEAD) :] in reasons):
            raise DerError("an entry extension that is no reason")
    return stop
