"""Distinguished names: their text, their equality, their rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import PolicyViolation
from certctl.domain.names import (
    DOMAIN_COMPONENT,
    EMAIL_ADDRESS,
    IA5_STRING,
    MAX_ATTRIBUTES,
    MAX_VALUE,
    PRINTABLE_STRING,
    UTF8_STRING,
    DistinguishedName,
    NameAttribute,
    check_name,
    same_subject,
)

CN = "2.5.4.3"
SERIAL = "2.5.4.5"
ORGANIZATION = "2.5.4.10"
COUNTRY = "2.5.4.6"
INTEGER = 0x02
TELETEX = 0x14
BMP = 0x1E


def attribute(text: str, oid: str = CN, tag: int = UTF8_STRING) -> NameAttribute:
    return NameAttribute(oid=oid, tag=tag, text=text)


def name(*rdns: NameAttribute | tuple[NameAttribute, ...]) -> DistinguishedName:
    return DistinguishedName(rdns=tuple(r if isinstance(r, tuple) else (r,) for r in rdns))


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (name(), ""),
        (name(attribute("device")), "CN=device"),
        (name(attribute("DE", COUNTRY), attribute("device")), "CN=device,C=DE"),
        (name((attribute("device"), attribute("7", SERIAL))), "CN=device+serialNumber=7"),
        (name(attribute("x", "1.2.3.4")), "1.2.3.4=x"),
        (name(attribute("a@b", EMAIL_ADDRESS, IA5_STRING)), "emailAddress=a@b"),
        (name(attribute("")), "CN="),
        (name(attribute('a,b+c"d\\e;f<g>h')), 'CN=a\\,b\\+c\\"d\\\\e\\;f\\<g\\>h'),
        (name(attribute(" a ")), "CN=\\ a\\ "),
        (name(attribute(" ")), "CN=\\ "),
        (name(attribute("#a#")), "CN=\\#a#"),
        (name(attribute("a=b")), "CN=a=b"),
        (name(attribute("a\nb\x00")), "CN=a\\0Ab\\00"),
        (name(attribute("\u202ea")), "CN=\\E2\\80\\AEa"),
        (name(attribute("Gerät")), "CN=Gerät"),
        (name(attribute("#020105", tag=INTEGER)), "CN=#020105"),
    ],
)
def test_text_is_rfc_4514_and_safe(written, text):
    assert written.text() == text


@given(st.lists(st.text(max_size=20), max_size=4))
def test_text_is_always_one_printable_line(values):
    assert name(*map(attribute, values)).text().isprintable()


def test_two_names_never_share_a_text_by_escaping():
    split = name(attribute("b"), attribute("a"))
    joined = name(attribute("a,CN=b"))
    assert split.text() != joined.text()


@pytest.mark.parametrize(
    ("written", "common_name"),
    [
        (name(), None),
        (name(attribute("7", SERIAL)), None),
        (name(attribute("device")), "device"),
        (name(attribute("first"), attribute("last")), "last"),
        (name((attribute("7", SERIAL), attribute("device")), attribute("x", "1.2.3")), "device"),
    ],
)
def test_the_common_name_is_the_most_specific_one(written, common_name):
    assert written.common_name() == common_name
    assert written.is_empty is not bool(written.rdns)


DEVICE = name(attribute("Acme", ORGANIZATION), attribute("device"))


@pytest.mark.parametrize(
    "other",
    [
        DEVICE,
        name(attribute("Acme", ORGANIZATION, PRINTABLE_STRING), attribute("device")),
        name(
            attribute("Acme", ORGANIZATION, PRINTABLE_STRING),
            attribute("device", CN, PRINTABLE_STRING),
        ),
    ],
)
def test_the_same_text_in_either_string_type_is_the_same_subject(other):
    assert same_subject(DEVICE, other)
    assert same_subject(other, DEVICE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(name(), id="empty"),
        pytest.param(name(attribute("device")), id="dropped attribute"),
        pytest.param(name(attribute("device"), attribute("Acme", ORGANIZATION)), id="order"),
        pytest.param(name(attribute("Acme", ORGANIZATION), attribute("Device")), id="case"),
        pytest.param(name(attribute("Acme", ORGANIZATION), attribute("device ")), id="space"),
        pytest.param(
            name(attribute("Acme", ORGANIZATION), attribute("device", SERIAL)), id="other type"
        ),
        pytest.param(
            name(attribute("Acme", ORGANIZATION), attribute("device", CN, TELETEX)),
            id="other string type",
        ),
        pytest.param(
            name((attribute("Acme", ORGANIZATION), attribute("device"))), id="joined in one RDN"
        ),
        pytest.param(
            name(attribute("Acme", ORGANIZATION), attribute("device"), attribute("device")),
            id="added attribute",
        ),
        pytest.param(name(attribute("Acme", ORGANIZATION), attribute("d\u0435vice")), id="letter"),
    ],
)
def test_another_name_is_another_subject(other):
    assert not same_subject(DEVICE, other)
    assert not same_subject(other, DEVICE)


def test_composed_and_decomposed_letters_differ():
    assert not same_subject(name(attribute("\u00e9")), name(attribute("e\u0301")))


def test_order_within_one_rdn_does_not_matter_and_number_does():
    a, b = attribute("a"), attribute("b")
    assert same_subject(name((a, b)), name((b, a)))
    assert not same_subject(name((a, a, b)), name((a, b, b)))


@pytest.mark.parametrize(
    "accepted",
    [
        name(),
        DEVICE,
        name(attribute("DE", COUNTRY, PRINTABLE_STRING)),
        name(attribute("a@b.example", EMAIL_ADDRESS, IA5_STRING)),
        name(attribute("example", DOMAIN_COMPONENT, IA5_STRING)),
        name(attribute("router.example", "1.2.840.113549.1.9.2", IA5_STRING)),
        name(attribute("x" * MAX_VALUE)),
        name(*[attribute("x")] * MAX_ATTRIBUTES),
        name(attribute("Gerätewerk Süd", ORGANIZATION)),
    ],
)
def test_names_of_real_devices_pass(accepted):
    check_name(accepted)


@pytest.mark.parametrize(
    ("refused", "dimension"),
    [
        (name(attribute("device", CN, TELETEX)), "subject"),
        (name(attribute("device", CN, BMP)), "subject"),
        (name(attribute("device", CN, IA5_STRING)), "subject"),
        (name(attribute("#020105", CN, INTEGER)), "subject"),
        (name(attribute("")), "subject"),
        (name(attribute("x" * (MAX_VALUE + 1))), "subject"),
        (name(*[attribute("x")] * (MAX_ATTRIBUTES + 1)), "subject"),
        (name((attribute("x"),) * (MAX_ATTRIBUTES + 1)), "subject"),
        (name(attribute("a\x00b")), "name"),
        (name(attribute("ok"), attribute("\u202eevil", ORGANIZATION)), "name"),
        (name((attribute("7", SERIAL), attribute("p\u0430ypal"))), "name"),
        (name(attribute("a\nb", EMAIL_ADDRESS, IA5_STRING)), "name"),
    ],
)
def test_names_that_nobody_may_have_are_refused(refused, dimension):
    with pytest.raises(PolicyViolation) as caught:
        check_name(refused)
    assert caught.value.dimension == dimension
    assert caught.value.got.isprintable()
    assert len(caught.value.got) < 300
