"""Rules of certificate profiles beyond the built-in one: patterns, trees, constraints."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certctl.domain.common_name import san_of_common_name
from certctl.domain.constraints import NameConstraints, Subtree
from certctl.domain.errors import PolicyViolation
from certctl.domain.names import (
    PRINTABLE_STRING,
    UTF8_STRING,
    DistinguishedName,
    NameAttribute,
)
from certctl.domain.patterns import BadExpression, SanPattern, SubjectPattern, compiled, matches
from certctl.domain.policy import CertificateProfile, check_attributes, check_contents
from certctl.domain.san import ALLOWABLE_KINDS, GeneralName, SanKind

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
CN = "2.5.4.3"
O = "2.5.4.10"  # noqa: E741 - as the keyword has it
SERIAL = "2.5.4.5"
EMAIL = "1.2.840.113549.1.9.1"


def name(*pairs: tuple[str, str], tag: int = UTF8_STRING) -> DistinguishedName:
    rdns = tuple((NameAttribute(oid=oid, tag=tag, text=text),) for oid, text in pairs)
    return DistinguishedName(rdns=rdns)


def san(text: str) -> GeneralName:
    kind, _, value = text.partition(":")
    return GeneralName(kind=SanKind(kind), value=value)


def profile(**fields: object) -> CertificateProfile:
    return CertificateProfile(id="cp", **fields)  # type: ignore[arg-type]


def patterns(*texts: str) -> tuple[SanPattern, ...]:
    found = (text.partition(":") for text in texts)
    return tuple(SanPattern(kind=SanKind(kind), expression=rest) for kind, _, rest in found)


PLAIN = name((CN, "device 1"))


def judge(rules: CertificateProfile, *sans: str, subject: DistinguishedName = PLAIN) -> str:
    """The dimension that refuses, or nothing."""
    try:
        check_contents(subject, tuple(map(san, sans)), KEY, rules)
    except PolicyViolation as refused:
        return refused.dimension
    return ""


IOT = profile(required_san_patterns=patterns(r"dns:^[a-z0-9-]+\.iot\.example$"))


@pytest.mark.parametrize("good", [(), ("dns:a-1.iot.example",), ("dns:a.iot.example",) * 2])
def test_sans_that_match_a_pattern_of_their_kind_pass(good):
    assert judge(IOT, *good) == ""


@pytest.mark.parametrize(
    "bad",
    [
        "dns:a.example",
        "dns:a.b.iot.example",
        "dns:a.iot.example.evil.example",
        "dns:A.iot.example",
        "dns:aXiot.example",
        # No pattern of their kinds: refused, not forgotten.
        "ip:192.0.2.1",
        "email:a@iot.example",
        "uri:https://a.iot.example/",
    ],
)
def test_every_other_san_is_refused(bad):
    assert judge(IOT, "dns:a.iot.example", bad) == "san"


def test_a_pattern_without_anchors_matches_the_whole_name_all_the_same():
    rules = profile(required_san_patterns=patterns(r"dns:[a-z]+\.iot\.example"))
    assert judge(rules, "dns:a.iot.example") == ""
    assert judge(rules, "dns:a.iot.example.evil.example") == "san"
    assert judge(rules, "dns:evil.a.iot.example") == "san"


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [
        (r"dns:\*\.iot\.example", True),
        (r"dns:^\*\.iot\.example$", True),
        (r"dns:[*]\.iot\.example", True),
        (r"dns:.*", False),
        (r"dns:.\.iot\.example", False),
        (r"dns:[^a]\.iot\.example", False),
    ],
)
def test_a_wildcard_passes_only_a_pattern_that_writes_the_asterisk(pattern, passes):
    rules = profile(required_san_patterns=patterns(pattern))
    assert judge(rules, "dns:*.iot.example") == ("" if passes else "name")


@pytest.mark.parametrize("text", ["dns:*", "dns:a.*.iot.example", "dns:*a.iot.example", "dns:**.a"])
def test_an_asterisk_elsewhere_never_passes(text):
    rules = profile(required_san_patterns=patterns(r"dns:\*\..*", "dns:.*"))
    assert judge(rules, text) == "name"


def test_expressions_that_would_blow_up_are_linear():
    text = "a" * 100_000 + "b"
    began = time.process_time()
    for expression in ("(a+)+", "(a|a)*", "(a|aa)+", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"):
        assert not matches(expression, text)
    # Backtracking would take longer than the universe has existed; this is no measurement.
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    ("expression", "text", "whole"),
    [
        (r"(pump|fan)-(?P<number>[0-9]+)", "fan-7", True),
        (r"(pump|fan)-(?P<number>[0-9]+)", "fan-7x", False),
        ("a|ab", "ab", True),  # not the first alternative that fits, but any that fits all
        ("(?i)(p)ump", "PUMP", True),
        ("Prüf.nd", "Prüfönd", True),  # one character, though two octets
        ("p.", "p\N{SNOWMAN}", True),
        ("p.", "p\ud800", False),
        ("", "", True),
        ("a|(?m)^b$", "a\nb", False),  # what lies between two line ends is not all
        (r"\pL{1,30}", "Prüfstand", True),  # too large for the quick way
        (r"\pL{1,30}", "Prüfstand 7", False),
    ],
)
def test_groups_and_characters_of_several_octets_are_matched_as_written(expression, text, whole):
    assert matches(expression, text) is whole


@pytest.mark.parametrize("bad", ["(", "(?=a)", r"(a)\1", "a{1001}", "((a{99}){99}){99}", "\ud800"])
def test_expressions_that_are_none_or_too_large_are_refused(bad):
    with pytest.raises(BadExpression):
        compiled(bad)


def test_subject_patterns_want_the_attribute_and_judge_each_value():
    rules = profile(required_subject_patterns=(SubjectPattern(oid=SERIAL, expression="[0-9]{4}"),))
    assert judge(rules, subject=name((CN, "a"), (SERIAL, "1234"))) == ""
    assert judge(rules, subject=name((CN, "a"))) == "subject"
    assert judge(rules, subject=name((SERIAL, "1234"), (SERIAL, "x"))) == "subject"
    assert judge(rules, subject=name((SERIAL, "12345"))) == "subject"


BASE = name((O, "Acme"), ("2.5.4.11", "Sensors"))


def test_subjects_lie_under_one_of_the_bases():
    rules = profile(permitted_subject_bases=(name((O, "Other")), BASE))
    under = name((O, "Acme"), ("2.5.4.11", "Sensors"), (CN, "a"), tag=PRINTABLE_STRING)
    assert judge(rules, subject=under) == ""
    for outside in (
        name((CN, "a")),
        name((O, "Acme"), (CN, "a")),
        name(("2.5.4.11", "Sensors"), (O, "Acme"), (CN, "a")),
        name((CN, "a"), (O, "Acme"), ("2.5.4.11", "Sensors")),
        name((O, "acme"), ("2.5.4.11", "Sensors")),
    ):
        assert judge(rules, subject=outside) == "subject"
    assert judge(rules, "dns:a.example", subject=name()) == "subject"


def tree(text: str) -> Subtree:
    found = san(text)
    return Subtree(kind=found.kind, base=found.value)


@pytest.mark.parametrize(
    ("subtree", "inside", "outside"),
    [
        ("dns:iot.example", ["dns:iot.example", "dns:a.IOT.example"], ["dns:xiot.example"]),
        ("ip:192.0.2.0/24", ["ip:192.0.2.255"], ["ip:192.0.3.0", "ip:2001:db8::1"]),
        ("ip:2001:db8::/32", ["ip:2001:db8::1"], ["ip:2001:db9::1", "ip:192.0.2.1"]),
        ("email:a@iot.example", ["email:a@iot.example"], ["email:b@iot.example"]),
        ("email:iot.example", ["email:a@IOT.example"], ["email:a@b.iot.example"]),
        ("email:.iot.example", ["email:a@b.iot.example"], ["email:a@iot.example"]),
        ("uri:iot.example", ["uri:https://iot.example:8443/x"], ["uri:https://a.iot.example/"]),
        (
            "uri:.iot.example",
            ["uri:coap://a@b.iot.example/iot"],
            ["uri:https://evil.example/.iot.example", "uri:https://b.iot.example@evil.example/"],
        ),
    ],
)
def test_subtrees_of_each_kind(subtree, inside, outside):
    permitted = profile(name_constraints=NameConstraints(permitted=(tree(subtree),)))
    excluded = profile(name_constraints=NameConstraints(excluded=(tree(subtree),)))
    for each in inside:
        assert judge(permitted, each) == ""
        assert judge(excluded, each) == "name"
    for each in outside:
        assert judge(permitted, each) == "name"
        assert judge(excluded, each) == ""


def test_exclusion_wins_and_kinds_without_subtrees_are_free():
    rules = profile(
        name_constraints=NameConstraints(
            permitted=(tree("dns:example"),), excluded=(tree("dns:a.example"),)
        )
    )
    assert judge(rules, "dns:b.example", "ip:192.0.2.1") == ""
    assert judge(rules, "dns:b.example", "dns:x.a.example") == "name"


def test_a_mapped_address_is_no_way_around_an_excluded_network():
    rules = profile(name_constraints=NameConstraints(excluded=(tree("ip:10.0.0.0/8"),)))
    assert judge(rules, "ip:::ffff:10.1.2.3") == "name"


def test_a_uri_without_host_cannot_be_judged_and_is_refused():
    rules = profile(name_constraints=NameConstraints(excluded=(tree("uri:evil.example"),)))
    assert judge(rules, "uri:urn:dev:1") == "name"


def test_names_in_the_subject_are_constrained_like_sans():
    rules = profile(
        name_constraints=NameConstraints(
            permitted=(tree("dns:iot.example"), tree("email:iot.example"), tree("ip:10.0.0.0/8"))
        )
    )
    assert judge(rules, subject=name((CN, "pump 7"))) == ""
    assert judge(rules, subject=name((CN, "a.iot.example"))) == ""
    for outside in ((CN, "evil.example"), (CN, "192.0.2.1"), (CN, "::1"), (EMAIL, "a@b.example")):
        assert judge(rules, subject=name((CN, "a.iot.example"), outside)) == "name"


def test_a_required_attribute_may_stand_in_any_of_the_three_places():
    rules = profile(required_csr_attributes=(SERIAL, "1.2.840.113549.1.9.7"))
    subject = name((SERIAL, "1"))
    check_attributes({"1.2.840.113549.1.9.7"}, subject, rules)
    check_attributes(set(), subject, rules, unseen={"1.2.840.113549.1.9.7"})
    for types, names in ((set(), subject), ({"1.2.840.113549.1.9.7"}, name((CN, "a")))):
        with pytest.raises(PolicyViolation) as refused:
            check_attributes(types, names, rules)
        assert refused.value.dimension == "attribute"


@pytest.mark.parametrize(
    ("common_name", "added"),
    [
        ("a.example", "dns:a.example"),
        ("device-1", "dns:device-1"),
        ("192.0.2.1", "ip:192.0.2.1"),
        ("2001:DB8::1", "ip:2001:db8::1"),
        ("a@b.example", "email:a@b.example"),
        ("pump 7", None),
        ("*.example", None),
        ("a..b", None),
        ("Wärme", None),
    ],
)
def test_the_common_name_that_is_copied(common_name, added):
    found = san_of_common_name(name((CN, common_name)), (), ALLOWABLE_KINDS)
    assert (str(found) if found else None) == added


def test_the_common_name_is_neither_doubled_nor_copied_as_a_kind_not_allowed():
    subject = name((CN, "A.example"))
    assert san_of_common_name(subject, (san("dns:a.EXAMPLE"),), ALLOWABLE_KINDS) is None
    assert san_of_common_name(subject, (), (SanKind.IP,)) is None
    assert san_of_common_name(name((O, "Acme")), (), ALLOWABLE_KINDS) is None
