"""Subject alternative names: equality and what each kind must look like."""

from __future__ import annotations

import pytest

from certctl.domain.errors import PolicyViolation
from certctl.domain.san import GeneralName, SanKind, check_sans, same_sans

ALLOWED = (SanKind.DNS, SanKind.IP, SanKind.EMAIL, SanKind.URI, SanKind.UPN)


def san(text: str) -> GeneralName:
    kind, _, value = text.partition(":")
    return GeneralName(kind=SanKind(kind), value=value)


def label(size: int) -> str:
    return "a" * size


@pytest.mark.parametrize(
    "text",
    [
        "dns:a",
        "dns:device-1.example",
        "dns:DEVICE.Example",
        "dns:1.2.3.4",
        f"dns:{label(63)}.example",
        "dns:" + ".".join([label(63)] * 3 + [label(61)]),
        "dns:xn--bcher-kva.example",
        "ip:192.0.2.1",
        "ip:2001:db8::1",
        "email:device+7@host.example",
        "uri:urn:dev:mac:0024befffe804ff1",
        "uri:spiffe://example/device/7?x=%20#f",
        "upn:device-1@REALM.example",
        "upn:gerät@realm",
    ],
)
def test_names_of_real_devices_pass(text):
    check_sans([san(text)], allowed=ALLOWED, most=1)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("dns:", "san"),
        ("dns:.", "san"),
        ("dns:device.", "san"),
        ("dns:.device", "san"),
        ("dns:a..b", "san"),
        ("dns:-a.example", "san"),
        ("dns:a-.example", "san"),
        ("dns:-", "san"),
        ("dns:a_b.example", "san"),
        ("dns:a b", "san"),
        ("dns:a/b", "san"),
        ("dns:a:b", "san"),
        ("dns:gerät.example", "san"),
        (f"dns:{label(64)}.example", "san"),
        ("dns:" + ".".join([label(63)] * 3 + [label(62)]), "san"),
        ("dns:xn--.example", "san"),
        ("dns:xn--a-.example", "san"),
        ("dns:xn--\u00e9.example", "san"),
        ("dns:xn--99999999.example", "san"),
        ("dns:xn--a.example", "name"),
        ("dns:*.example", "name"),
        ("dns:*", "name"),
        ("dns:a*.example", "name"),
        ("dns:a\x00.example", "name"),
        ("dns:a\n", "name"),
        # punycode of p, Cyrillic a, ypal; and of a zero-width space in a word.
        ("dns:xn--pypal-4ve.example", "name"),
        ("dns:" + "de\u200bvice".encode("punycode").join([b"xn--", b""]).decode(), "name"),
        ("email:", "san"),
        ("email:host.example", "san"),
        ("email:@host.example", "san"),
        ("email:a@", "san"),
        ("email:a b@host", "san"),
        ('email:"a"@host', "san"),
        ("email:.a@host", "san"),
        ("email:a.@host", "san"),
        ("email:a..b@host", "san"),
        ("email:a@b@host", "san"),
        ("email:a@[192.0.2.1]", "san"),
        ("email:a@*.example", "name"),
        ("email:a\r@host", "name"),
        (f"email:{label(65)}@host", "san"),
        ("email:a@" + ".".join([label(63)] * 4)[:253], "san"),
        ("uri:", "san"),
        ("uri:device", "san"),
        ("uri:/path", "san"),
        ("uri:1a:b", "san"),
        ("uri::b", "san"),
        ("uri:urn:", "san"),
        ("uri:urn:a b", "san"),
        ("uri:urn:<a>", "san"),
        ("uri:ürn:a", "san"),
        ("uri:urn:a\x1b", "name"),
        ("uri:urn:" + label(1100), "san"),
        ("upn:", "san"),
        ("upn:device", "san"),
        ("upn:@realm", "san"),
        ("upn:device@", "san"),
        ("upn:de\u200bvice@realm", "name"),
        ("upn:d\u0435vice@realm", "name"),
        ("upn:" + label(250) + "@realm7", "san"),
        ("directoryName:#3000", "san"),
        ("hardwareModuleName:#3000", "san"),
        ("otherName:1.2.3;#0500", "san"),
        ("x400Address:#3000", "san"),
        ("ediPartyName:#3000", "san"),
        ("registeredID:#2a03", "san"),
    ],
)
def test_other_names_are_refused(text, dimension):
    with pytest.raises(PolicyViolation) as caught:
        check_sans([san("dns:good.example"), san(text)], allowed=ALLOWED, most=20)
    assert caught.value.dimension == dimension
    assert caught.value.got.isprintable()
    assert len(caught.value.got) < 300


@pytest.mark.parametrize("kind", ALLOWED)
def test_a_kind_that_the_profile_leaves_out_is_refused(kind):
    value = {"ip": "192.0.2.1", "email": "a@b", "uri": "urn:a", "upn": "a@b"}.get(kind, "a")
    name = GeneralName(kind=kind, value=value)
    check_sans([name], allowed=[kind], most=1)
    with pytest.raises(PolicyViolation) as caught:
        check_sans([name], allowed=[other for other in ALLOWED if other is not kind], most=1)
    assert caught.value.dimension == "san"


def test_a_kind_that_is_not_understood_is_refused_even_if_allowed():
    with pytest.raises(PolicyViolation):
        check_sans([san("directoryName:#3000")], allowed=list(SanKind), most=1)


def test_the_number_is_bounded():
    names = [san(f"dns:d{n}") for n in range(21)]
    check_sans(names[:20], allowed=ALLOWED, most=20)
    with pytest.raises(PolicyViolation) as caught:
        check_sans(names, allowed=ALLOWED, most=20)
    assert (caught.value.dimension, caught.value.got) == ("san", "21 names")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([], [], True),
        (["dns:a", "ip:192.0.2.1"], ["ip:192.0.2.1", "dns:a"], True),
        (["dns:a", "dns:a"], ["dns:a"], True),
        (["dns:a"], ["dns:A"], False),
        (["dns:a"], ["email:a"], False),
        (["dns:a"], ["dns:a", "dns:b"], False),
        (["dns:a"], [], False),
    ],
)
def test_sans_are_equal_as_sets_of_exact_names(one, other, same):
    assert same_sans([san(text) for text in one], [san(text) for text in other]) is same
    assert same_sans([san(text) for text in other], [san(text) for text in one]) is same


def test_the_text_of_a_name_is_safe():
    assert str(san("dns:a\nb")) == "dns:a\\u000ab"
