"""A CSR bound to another TLS connection is not taken (est §4)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from certctl.domain.connection import TLSInfo
from certctl.domain.errors import BindingFailure
from certctl.domain.profiles import ChallengePassword, EstProfile
from certctl.enroll.binding import Binding, check_binding
from certctl.wire.attributes import CHALLENGE_PASSWORD
from certctl.wire.attributes import EST_IDENTITY_LINKING as LINKING
from certctl.wire.der import OCTET_STRING, encode
from certctl.wire.pkcs10 import decode_pkcs10
from tests.unit.wire import forge

HERE = bytes(range(32))
ELSEWHERE = bytes(32)


FINISHED = bytes(range(12))
OTP = "1.2.840.113549.1.9.16.2.56"
COMPRESSION = "1.2.840.113549.1.9.16.2.43"
TEXTS = (CHALLENGE_PASSWORD, LINKING)
OCTETS = (OTP, COMPRESSION)

NEW = TLSInfo(version="TLSv1.3", exporter=HERE, peer_chain=())
OLD = TLSInfo(version="TLSv1.2", exporter=HERE, tls_unique=FINISHED, peer_chain=())
BARE = TLSInfo(version="TLSv1.2", exporter=None, peer_chain=())

OPEN = EstProfile(path_id="open", issuer_id="i")
STRICT = EstProfile(path_id="strict", issuer_id="i", binding_required=True)
DEAF = EstProfile(path_id="deaf", issuer_id="i", challenge_password=ChallengePassword.IGNORE)


def check(
    *values: tuple[str, str],
    octets: tuple[tuple[str, bytes], ...] = (),
    tls: TLSInfo = NEW,
    profile: EstProfile = OPEN,
    vouched_for: bool = False,
) -> Binding:
    attributes = [
        forge.attribute(oid, encode(forge.UTF8, text.encode())) for oid, text in values
    ] + [forge.attribute(oid, encode(OCTET_STRING, value)) for oid, value in octets]
    csr = decode_pkcs10(forge.request(*attributes))
    return check_binding(csr, tls, profile=profile, vouched_for=vouched_for)


def refusal(*values: tuple[str, str], **more: Any) -> str:
    with pytest.raises(BindingFailure) as refused:
        check(*values, **more)
    return refused.value.reason


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize("profile", [OPEN, STRICT])
@pytest.mark.parametrize("oid", TEXTS)
def test_a_binding_of_another_connection_is_refused(oid: str, profile: EstProfile) -> None:
    assert refusal((oid, b64(ELSEWHERE)), profile=profile) == "mismatch"
    assert refusal((oid, b64(bytes(12))), tls=OLD, profile=profile) == "mismatch"


@pytest.mark.parametrize("oid", OCTETS)
def test_so_are_the_octets_of_the_originals_clients(oid: str) -> None:
    assert refusal(octets=((oid, ELSEWHERE),)) == "mismatch"


@pytest.mark.parametrize("right", [0, 1])
def test_each_carrier_is_verified_alone(right: int) -> None:
    texts = [b64(ELSEWHERE)] * 2
    texts[right] = b64(HERE)
    assert refusal(*zip(TEXTS, texts, strict=True)) == "mismatch"
    both = ((CHALLENGE_PASSWORD, b64(HERE)),)
    assert refusal(*both, octets=((OTP, ELSEWHERE),)) == "mismatch"
    assert refusal(octets=((OTP, HERE), (COMPRESSION, ELSEWHERE))) == "mismatch"


@pytest.mark.parametrize("octets", [FINISHED, bytes(12)])
def test_tls_unique_cannot_be_of_a_tls13_connection(octets: bytes) -> None:
    assert refusal((CHALLENGE_PASSWORD, b64(octets))) == "mismatch"


@pytest.mark.parametrize("octets", [HERE, FINISHED])
def test_a_binding_where_the_connection_has_none_is_told_so(octets: bytes) -> None:
    assert refusal((CHALLENGE_PASSWORD, b64(octets)), tls=BARE) == "no_exporter"


def test_nothing_to_compare_with_is_told_before_what_is_missing() -> None:
    assert refusal(tls=BARE, profile=STRICT) == "no_exporter"


@pytest.mark.parametrize("tls", [NEW, OLD])
def test_required_and_not_there(tls: TLSInfo) -> None:
    assert refusal(profile=STRICT, tls=tls) == "missing"


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        b64(HERE)[:-4],
        b64(HERE)[:-1],
        b64(HERE[:31]),
        b64(HERE + b"x"),
        HERE.hex(),
        "!" + b64(HERE)[1:],
        b64(HERE) + "\n",
        " " + b64(HERE),
        b64(FINISHED[:11]),
    ],
)
@pytest.mark.parametrize("oid", TEXTS)
def test_required_and_something_else_there(oid: str, text: str) -> None:
    assert refusal((oid, text), profile=STRICT) == "malformed"
    assert check((oid, text)) is Binding.OTHER_TEXT


def test_octets_of_another_size_are_no_binding() -> None:
    assert refusal(octets=((OTP, HERE[:31]),), profile=STRICT) == "missing"
    assert check(octets=((OTP, HERE[:31]),)) is Binding.NONE


def test_a_one_time_password_is_no_binding_even_of_that_length() -> None:
    assert refusal((OTP, b64(HERE)), profile=STRICT) == "missing"
    assert check((OTP, b64(ELSEWHERE))) is Binding.NONE


def test_a_broken_link_beside_a_good_binding_is_refused_where_one_is_required() -> None:
    given = ((CHALLENGE_PASSWORD, b64(HERE)), (LINKING, b64(HERE[:31])))
    assert refusal(*given, profile=STRICT) == "malformed"


@pytest.mark.parametrize("profile", [OPEN, STRICT])
def test_a_password_beside_a_good_link_is_left_alone(profile: EstProfile) -> None:
    given = ((CHALLENGE_PASSWORD, "hunter2"), (LINKING, b64(HERE)))
    assert check(*given, profile=profile) is Binding.TLS_EXPORTER
    assert check(*reversed(given), profile=profile) is Binding.TLS_EXPORTER


@pytest.mark.parametrize("profile", [OPEN, STRICT])
@pytest.mark.parametrize("oid", TEXTS)
def test_the_binding_of_this_connection_is_verified(oid: str, profile: EstProfile) -> None:
    assert check((oid, b64(HERE)), profile=profile) is Binding.TLS_EXPORTER
    assert check((oid, b64(HERE)), profile=profile, tls=OLD) is Binding.TLS_EXPORTER
    assert check((oid, b64(FINISHED)), profile=profile, tls=OLD) is Binding.TLS_UNIQUE


@pytest.mark.parametrize("oid", OCTETS)
def test_so_are_the_octets_of_the_originals_clients_that_are_right(oid: str) -> None:
    assert check(octets=((oid, HERE),), profile=STRICT) is Binding.TLS_EXPORTER


def test_an_ignored_challenge_password_is_not_looked_at() -> None:
    assert check((CHALLENGE_PASSWORD, b64(ELSEWHERE)), profile=DEAF) is Binding.NONE
    assert check((CHALLENGE_PASSWORD, b64(ELSEWHERE)), profile=DEAF, tls=BARE) is Binding.NONE
    assert refusal((LINKING, b64(ELSEWHERE)), profile=DEAF) == "mismatch"


@pytest.mark.parametrize("profile", [OPEN, STRICT])
@pytest.mark.parametrize("tls", [NEW, BARE])
def test_a_registration_authority_has_verified_it_already(
    profile: EstProfile, tls: TLSInfo
) -> None:
    given = (CHALLENGE_PASSWORD, b64(ELSEWHERE))
    assert check(given, profile=profile, tls=tls, vouched_for=True) is Binding.NONE
    assert check(profile=profile, tls=tls, vouched_for=True) is Binding.NONE


def test_a_csr_without_challenge_is_no_binding() -> None:
    assert check() is Binding.NONE
    assert check(tls=BARE) is Binding.NONE


def test_only_a_verified_binding_binds() -> None:
    assert {each for each in Binding if each.binds} == {Binding.TLS_EXPORTER, Binding.TLS_UNIQUE}
