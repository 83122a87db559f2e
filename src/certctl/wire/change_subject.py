"""ChangeSubjectName (RFC 6402 §2.8 with erratum 3943): the names a renewal asks to have.

::

    ChangeSubjectName ::= SEQUENCE {
        subject     Name OPTIONAL,
        subjectAlt  GeneralNames OPTIONAL }    -- the erratum: [1]

Without the erratum's tag both parts are SEQUENCEs; they are told apart by what is in
them, RDNs being SETs. A part that is absent leaves those names as they were. Whether
the names are sound is for their own decoders and for policy.
"""

from __future__ import annotations

from certctl.domain.csr import Attribute, ChangedNames
from certctl.domain.errors import RequestMalformed
from certctl.wire.der import SEQUENCE, SET, DerError, children, encode, expect

CHANGE_SUBJECT_NAME = "1.3.6.1.5.5.7.7.36"

_TAGGED_NAMES = 0xA1


def changed_names(attributes: tuple[Attribute, ...]) -> ChangedNames | None:
    """What the attribute asks for; None where there is none.

    Raises:
        RequestMalformed: ``attribute``; it is twice there, empty, or no such SEQUENCE.
    """
    found = [each for each in attributes if each.oid == CHANGE_SUBJECT_NAME]
    if not found:
        return None
    values = [value for each in found for value in each.values]
    if len(values) > 1:
        raise RequestMalformed("attribute", "ChangeSubjectName has more than one value")
    try:
        return _read(values[0])
    except DerError as err:
        raise RequestMalformed("attribute", f"ChangeSubjectName: {err}") from err


def _read(der: bytes) -> ChangedNames:
    start, end = expect(der, 0, len(der), SEQUENCE)
    subject: bytes | None = None
    sans: bytes | None = None
    for tag, offset, content, stop in children(der, start, end):
        is_name = tag == SEQUENCE and (content == stop or der[content] == SET)
        if is_name and subject is None and sans is None:
            subject = der[offset:stop]
        elif tag == SEQUENCE and not is_name and sans is None:
            sans = der[offset:stop]
        elif tag == _TAGGED_NAMES and sans is None:
            sans = _tagged(der, content, stop)
        else:
            raise DerError("neither a subject nor alternative names, in this order")
    if end != len(der) or (subject is None and sans is None):
        raise DerError("neither a subject nor alternative names")
    return ChangedNames(subject_der=subject, san_der=sans)


def _tagged(der: bytes, content: int, stop: int) -> bytes:
    """The GeneralNames under [1], whether the tag is read as explicit or as implicit."""
    if content < stop and der[content] == SEQUENCE:
        _, inner_stop = expect(der, content, stop, SEQUENCE)
        if inner_stop == stop:
            return der[content:stop]
    return encode(SEQUENCE, der[content:stop])
