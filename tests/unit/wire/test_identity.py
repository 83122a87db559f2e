"""Comparable names say the same as the rules of renewal (policy §5), octet by octet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.names import same_subject
from certctl.domain.san import same_sans
from certctl.wire.der import SEQUENCE, SET, encode
from certctl.wire.general_names import decode_general_names
from certctl.wire.identity import comparable_names
from certctl.wire.names import decode_name
from tests.unit.wire import forge

ATTRIBUTES = st.builds(
    forge.attribute_value,
    st.sampled_from([forge.CN, "2.5.4.10"]),
    st.sampled_from(["a", "A", "ab"]),
    st.sampled_from([forge.UTF8, forge.PRINTABLE, forge.IA5]),
)
RDNS = st.lists(ATTRIBUTES, min_size=1, max_size=2, unique=True).map(
    lambda members: encode(SET, *sorted(members))
)
NAMES = st.lists(RDNS, max_size=2).map(lambda rdns: encode(SEQUENCE, *rdns))
SANS = st.lists(st.sampled_from(["a.example", "A.example", "b.example"]), max_size=3).map(
    lambda names: encode(SEQUENCE, *map(forge.dns, names)) if names else b""
)


@given(one=NAMES, other=NAMES)
def test_equal_exactly_for_the_same_subject(one: bytes, other: bytes) -> None:
    same = comparable_names(one, b"") == comparable_names(other, b"")
    assert same == same_subject(decode_name(one), decode_name(other))


@given(one=SANS, other=SANS)
def test_equal_exactly_for_the_same_set_of_sans(one: bytes, other: bytes) -> None:
    decoded = [decode_general_names(each) if each else () for each in (one, other)]
    same = comparable_names(b"0\0", one) == comparable_names(b"0\0", other)
    assert same == same_sans(*decoded)


@given(subject=st.binary(max_size=20), sans=st.binary(max_size=20))
def test_what_is_no_der_stands_for_itself(subject: bytes, sans: bytes) -> None:
    assert comparable_names(subject, sans) == comparable_names(subject, sans)
    assert comparable_names(subject + b"x", sans) != comparable_names(subject, sans)


def test_octets_after_a_name_are_not_overlooked() -> None:
    name = forge.name((forge.CN, "pump", forge.PRINTABLE))
    sans = encode(SEQUENCE, forge.dns("a.example"))
    assert comparable_names(name + b"x", sans) != comparable_names(name, sans)
    assert comparable_names(name, sans + b"x") != comparable_names(name, sans)
