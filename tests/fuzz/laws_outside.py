"""What must hold for anything that a CA outside gives: nothing of it is believed.

A certificate that is taken for the one ordered is that in the eyes of ``cryptography``, and
what a program printed is what OpenSSL reads in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from certctl.authority.intents import Ordered
from certctl.authority.returned import CLOCK_SKEW_US, Returned, differences, read_returned
from certctl.domain.clock import DAY_US
from certctl.domain.errors import DeviceStateFailed, Failure, IssuerMisbehaved
from certctl.domain.ports import DeviceQuestion, Terms
from certctl.hooks.device_state import MAX_ANSWER, DeviceStateHook
from certctl.issuers.program import Ran
from certctl.issuers.script import LATER, NO, Finding, Value
from tests.fuzz.hierarchy import AFTER, LEAF_KEY, MIDDLE_KEY, NOW, NOW_US, middle, name, sealed
from tests.fuzz.laws_http import loop
from tests.fuzz.laws_trust import split
from tests.fuzz.laws_wire import MAX_NOTE
from tests.unit.issuers.orders import CLIENT_AUTH, order, spki_of

SANS = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")])
ORDERED = Ordered(
    order=order(
        subject_der=name("leaf").public_bytes(),
        spki_der=spki_of(LEAF_KEY),
        san_der=SANS.public_bytes(),
    ),
    terms=Terms(
        ekus=(CLIENT_AUTH,),
        backdate_us=0,
        lifetime_us=(AFTER - NOW) // timedelta(microseconds=1) + DAY_US,
    ),
)


def returned(data: bytes) -> None:
    """Around any contents a signature that holds: a CA that signs anything."""
    parts = split(data)
    if not parts:
        return
    der = sealed(parts[0], MIDDLE_KEY)
    try:
        found = read_returned(der, (middle(),))
    except IssuerMisbehaved as refused:
        _check_words(refused)
        return
    assert found.signed.der == der
    assert int(found.signed.serial, 16) == found.certificate.serial_number > 0
    assert found.subject.isprintable()
    assert all(text.isprintable() for text in found.sans)
    if not differences(found, ORDERED, now_us=NOW_US):
        _is_the_one_ordered(found)


def _is_the_one_ordered(found: Returned) -> None:
    certificate = found.certificate
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key == ORDERED.order.spki_der
    assert certificate.subject == name("leaf")
    assert certificate.not_valid_before_utc <= NOW + timedelta(microseconds=CLOCK_SKEW_US)
    assert NOW < certificate.not_valid_after_utc <= AFTER + timedelta(days=1)
    by_type = {type(one.value): one.value for one in certificate.extensions}
    assert set(by_type[x509.SubjectAlternativeName]) == set(SANS)
    assert set(by_type[x509.ExtendedKeyUsage]) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    constraints = by_type.get(x509.BasicConstraints)
    assert not isinstance(constraints, x509.BasicConstraints) or not constraints.ca


class _Printed(Finding):
    """A script issuer whose programs have ended already: so they did."""

    ran: Ran

    def run(self, program: Path, asked: Mapping[str, Value], *, limit_us: int | None = None) -> Ran:
        assert limit_us is None
        assert program.name == "sign"
        assert asked["request_id"] == "r1"
        return self.ran


@cache
def _issuer() -> _Printed:
    issuer = _Printed(
        issuer_id="corp",
        sign=Path("sign"),
        chain=(middle(),),
        time_limit_us=DAY_US,
        lifetime_us=DAY_US,
    )
    issuer.find_program = Path("sign")
    return issuer


def program_output(data: bytes) -> None:
    """The same octets as output and as complaint, with each exit code that means something."""
    issuer = _issuer()
    terms = ORDERED.terms
    for code in (0, NO, LATER, 1):
        issuer.ran = Ran(code=code, output=data, complaint=data)
        try:
            der = issuer.issue(ORDERED.order, terms, request_id="r1", now_us=NOW_US)
        except Failure as refused:
            _check_words(refused)
            continue
        assert code == 0
        assert issuer.find("r1") == der
        assert data.count(b"-----BEGIN CERTIFICATE-----") == 1
        begin = data.index(b"-----BEGIN CERTIFICATE-----")
        with suppress(crypto.Error):  # stricter about the lines
            other = crypto.load_certificate(crypto.FILETYPE_PEM, data[begin:])
            assert crypto.dump_certificate(crypto.FILETYPE_ASN1, other) == der


def _check_words(refused: Failure) -> None:
    for value in refused.details().values():
        text = str(value)
        assert text.isprintable(), f"unprintable {text!r}"
        assert len(text) <= MAX_NOTE


class _Answering(DeviceStateHook):
    """A hook that has answered already."""

    given: bytes

    async def _ask(self, body: bytes) -> tuple[int, bytes]:
        assert json.loads(body)["profile"] == "iot"
        return 200, self.given[: MAX_ANSWER + 1]


@cache
def _hook() -> _Answering:
    return _Answering("https://hook.example/")


def hook_answer(data: bytes) -> None:
    """Only a JSON object with ``"allow": true`` opens; a reason is short and printable."""
    hook = _hook()
    hook.given = data
    question = DeviceQuestion(
        profile="iot", principal="a", subject="CN=a", sans=(), source="::1", request_id="r"
    )
    try:
        loop().run_until_complete(hook.require_good(question))
    except DeviceStateFailed as refused:
        _check_words(refused)
        return
    assert json.loads(data)["allow"] is True
