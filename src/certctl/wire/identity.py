"""The names of a certificate in one comparable form, to be found by (policy §5).

Two certificates have equal octets here exactly when ``domain.names.same_subject`` and
``domain.san.same_sans`` call their names the same. Works on DER without decoding text:
a PrintableString and the UTF8String of the same text differ in nothing but their tag.
"""

from __future__ import annotations

from certctl.domain.common_name import san_of_common_name
from certctl.domain.san import ALLOWABLE_KINDS
from certctl.wire.der import SEQUENCE, SET, DerError, encode, expect, read
from certctl.wire.general_names import append_general_name, decode_general_names
from certctl.wire.names import decode_name

_PRINTABLE_STRING = b"\x13"
_UTF8_STRING = b"\x0c"


def comparable_names(subject_der: bytes, san_der: bytes) -> bytes:
    """Octets to compare and to hash; what is no DER stands for itself.

    RDNs keep their order, attributes within one RDN and SANs have none.
    """
    try:
        return encode(SEQUENCE, _subject(subject_der), _sans(san_der))
    except DerError:
        return encode(SEQUENCE, subject_der, san_der)


def same_identity(
    subject_der: bytes, san_der: bytes, other_subject_der: bytes, other_san_der: bytes
) -> bool:
    """Equal names, or such as differ only by a SAN that repeats the common name: with
    ``cn_as_san`` (policy §1) that one is ours, and may be of before or after a change.
    """
    one = comparable_names(subject_der, san_der)
    other = comparable_names(other_subject_der, other_san_der)
    return (
        one == other
        or _with_common_name(subject_der, san_der) == other
        or one == _with_common_name(other_subject_der, other_san_der)
    )


def _with_common_name(subject_der: bytes, san_der: bytes) -> bytes | None:
    sans = decode_general_names(san_der) if san_der else ()
    name = san_of_common_name(decode_name(subject_der), sans, ALLOWABLE_KINDS)
    if name is None:
        return None
    return comparable_names(subject_der, append_general_name(san_der, name))


def _subject(der: bytes) -> bytes:
    if _PRINTABLE_STRING not in der:
        # Nothing to change: DER keeps the members of a SET in order already.
        return der
    offset, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the names")
    rdns = []
    while offset < end:
        member, rdn_end = expect(der, offset, end, SET)
        members = []
        while member < rdn_end:
            start, stop = expect(der, member, rdn_end, SEQUENCE)
            _, _, tag = read(der, start, stop)
            one = der[member:stop]
            if der[tag : tag + 1] == _PRINTABLE_STRING:
                at = tag - member
                one = one[:at] + _UTF8_STRING + one[at + 1 :]
            members.append(one)
            member = stop
        rdns.append(encode(SET, *sorted(members)))
        offset = rdn_end
    return encode(SEQUENCE, *rdns)


def _sans(der: bytes) -> bytes:
    if not der:
        return encode(SEQUENCE)
    offset, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the names")
    names = set()
    while offset < end:
        _, _, stop = read(der, offset, end)
        names.add(der[offset:stop])
        offset = stop
    return encode(SEQUENCE, *sorted(names))
