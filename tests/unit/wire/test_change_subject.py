"""ChangeSubjectName (RFC 6402 §2.8): as written, as its erratum has it, and malformed."""

from __future__ import annotations

import pytest

from certctl.domain.csr import ChangedNames
from certctl.domain.errors import RequestMalformed
from certctl.wire.change_subject import CHANGE_SUBJECT_NAME
from certctl.wire.der import SEQUENCE, encode
from certctl.wire.pkcs10 import decode_pkcs10
from tests.unit.wire import forge

NAME = forge.name((forge.CN, "new"))
ONE = forge.dns("new.example")
SANS = encode(SEQUENCE, ONE)


def names_of(*values: bytes) -> ChangedNames | None:
    return decode_pkcs10(forge.request(forge.attribute(CHANGE_SUBJECT_NAME, *values))).changed_names


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((NAME,), (NAME, None)),
        ((SANS,), (None, SANS)),
        ((NAME, SANS), (NAME, SANS)),
        ((NAME, encode(0xA1, SANS)), (NAME, SANS)),
        ((NAME, encode(0xA1, ONE)), (NAME, SANS)),
        ((encode(0xA1, SANS),), (None, SANS)),
        ((forge.name(), SANS), (forge.name(), SANS)),
    ],
    ids=["subject", "SANs", "both", "[1] explicit", "[1] implicit", "[1] alone", "no subject"],
)
def test_read(parts: tuple[bytes, ...], expected: tuple[bytes | None, bytes | None]) -> None:
    found = names_of(encode(SEQUENCE, *parts))
    assert found == ChangedNames(subject_der=expected[0], san_der=expected[1])


def test_absent_it_is_none() -> None:
    assert decode_pkcs10(forge.request()).changed_names is None


@pytest.mark.parametrize(
    "values",
    [
        (encode(SEQUENCE),),
        (NAME[:0] + b"\x05\x00",),
        (encode(SEQUENCE, SANS, NAME),),
        (encode(SEQUENCE, NAME, NAME),),
        (encode(SEQUENCE, SANS, SANS),),
        (encode(SEQUENCE, NAME, SANS, SANS),),
        (encode(SEQUENCE, b"\x0c\x01a"),),
        tuple(sorted((encode(SEQUENCE, NAME), encode(SEQUENCE, SANS)))),
    ],
    ids=["empty", "null", "other order", "two subjects", "two SANs", "three", "text", "two values"],
)
def test_malformed(values: tuple[bytes, ...]) -> None:
    with pytest.raises(RequestMalformed) as refused:
        names_of(*values)
    assert refused.value.reason == "attribute"


def test_twice_is_refused() -> None:
    one, two = (
        forge.attribute(CHANGE_SUBJECT_NAME, encode(SEQUENCE, each)) for each in (NAME, SANS)
    )
    with pytest.raises(RequestMalformed):
        decode_pkcs10(forge.request(one, two))
