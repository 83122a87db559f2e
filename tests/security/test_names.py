"""Names that are not what they seem: look-alikes, wildcards, names in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import SEQUENCE, encode
from tests.harness.http import basic
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, Refused, refused
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL, assert_refused
from tests.unit.wire import forge

PASSWORD = "a password of the test"
IOT = "/.well-known/est/iot/simpleenroll"
RULES = r"""
required_san_patterns = ['dns:[a-z0-9-]+\.iot\.example', 'dns:(a+)+\.blow\.example']
permitted_subject_bases = ["O=Acme,C=DE"]
[required_subject_patterns]
CN = '([a-z]+-?)+[0-9]'
[name_constraints]
excluded = ["dns:gateway.iot.example"]
"""
ACME = (("2.5.4.6", "DE", forge.PRINTABLE), ("2.5.4.10", "Acme"))

DECEIVING = {
    "Cyrillic a in a Latin name": ("p\u0430ypal", ()),
    "Greek omicron": ("g\u03bf\u03bfgle", ()),
    "full-width letters and Cyrillic": ("\uff41\u0431", ()),
    "NUL before the end": ("device-1\0.evil.example", ()),
    "right-to-left override": ("device\u202e1-eciv", ()),
    "zero width joiner": ("de\u200dvice", ()),
    "variation selector": ("device\ufe0f", ()),
    "Hangul filler": ("device\u3164", ()),
    "wildcard": ("device-1", (forge.dns("*.example.com"),)),
    "wildcard within": ("device-1", (forge.dns("a.*.example.com"),)),
    "bare wildcard": ("device-1", (forge.dns("*"),)),
    "punycode of mixed scripts": ("device-1", (forge.dns("xn--pypal-4ve.example"),)),
    "NUL in a DNS name": ("device-1", (forge.dns("a.example\0.evil.example"),)),
    "wildcard in a mailbox": ("device-1", (encode(0x81, b"a@*.example"),)),
}


@pytest.mark.parametrize("case", DECEIVING)
def test_deceiving_name_is_refused(server: RunningServer, authorization: str, case: str) -> None:
    common_name, names = DECEIVING[case]
    attributes = [forge.extensions(forge.sans(*names))] if names else []
    body = forge.request(*attributes, subject=forge.name((forge.CN, common_name)))
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, "name", Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, body, authorization))
        assert_refused(client.answer(), 403, "name")


def test_no_name_at_all_is_refused(server: RunningServer, authorization: str) -> None:
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, "subject", Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, forge.request(subject=encode(SEQUENCE)), authorization))
        assert_refused(client.answer(), 400, "subject")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("strict")
    (directory / "profiles").mkdir()
    (directory / "profiles" / "cp.toml").write_text(RULES)
    settings = {
        "CERTIFICATE_PROFILES_DIR": str(directory / "profiles"),
        "EST_PROFILES": "iot",
        "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
        "EST_PROFILE_IOT_PROFILE_ID": "cp",
        "EST_PROFILE_IOT_ENROLLMENT_PASSWORD": PASSWORD,
    }
    with configured_server(directory, settings) as running:
        yield running


GOOD = forge.name(*ACME, (forge.CN, "pump-7"))
BEYOND = {
    "SAN of another domain": ("san", GOOD, forge.dns("a.evil.example")),
    "SAN that only begins well": ("san", GOOD, forge.dns("a.iot.example.evil.example")),
    "SAN of a kind without pattern": ("san", GOOD, encode(0x87, b"\x0a\0\0\x01")),
    "excluded subtree": ("name", GOOD, forge.dns("gateway.iot.example")),
    "name only in the SAN": ("subject", encode(SEQUENCE), forge.dns("a.iot.example")),
    "subject outside its base": (
        "subject",
        forge.name((forge.CN, "pump-7")),
        forge.dns("a.iot.example"),
    ),
    "base in another order": (
        "subject",
        forge.name(*reversed(ACME), (forge.CN, "pump-7")),
        forge.dns("a.iot.example"),
    ),
    "second CN beside a good one": (
        "subject",
        forge.name(*ACME, (forge.CN, "pump-7"), (forge.CN, "ADMIN")),
        forge.dns("a.iot.example"),
    ),
    "text that would blow a pattern up": (
        "san",
        GOOD,
        forge.dns(".".join(["a" * 63] * 3) + ".blow.examplf"),
    ),
    "subject that would blow a pattern up": (
        "subject",
        forge.name(*ACME, (forge.CN, "a" * 255 + "!")),
        forge.dns("a.iot.example"),
    ),
}


@pytest.mark.parametrize("case", BEYOND)
def test_name_beyond_the_rules_of_the_profile_is_refused(strict: RunningServer, case: str) -> None:
    dimension, subject, san = BEYOND[case]
    body = forge.request(forge.extensions(forge.sans(san)), subject=subject)
    authorization = "Authorization: " + basic("attacker", PASSWORD)["Authorization"]
    ledger = Ledger(strict, path=IOT)
    with RawClient(strict) as client:
        client.send(post(IOT, body, authorization))
        assert_refused(client.answer(), 403 if dimension == "name" else 400, dimension)
    ledger.expect(
        Refused(
            action=AuditAction.CSR_POLICY_VIOLATION,
            reason=dimension,
            counter=Counter.CSR_POLICY_VIOLATION,
            profile="iot",
        )
    )


def test_what_the_profile_allows_is_issued(strict: RunningServer) -> None:
    body = forge.request(forge.extensions(forge.sans(forge.dns("a.iot.example"))), subject=GOOD)
    authorization = "Authorization: " + basic("pump", PASSWORD)["Authorization"]
    with RawClient(strict) as client:
        client.send(post(IOT, body, authorization))
        assert client.answer().status == 200
