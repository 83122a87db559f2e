"""A CSR bound to another TLS connection is not taken (est §4)."""

from __future__ import annotations

import base64

import pytest

from certctl.domain.connection import TLSInfo
from certctl.domain.errors import BindingFailure
from certctl.enroll.binding import Binding, check_binding
from certctl.wire.pkcs10 import decode_pkcs10
from tests.unit.enroll.bound_csr import CHALLENGE_PASSWORD, ESTIDENTITY_LINKING, bound_csr

HERE = bytes(range(32))
ELSEWHERE = bytes(32)


def connection(exporter: bytes | None = HERE) -> TLSInfo:
    return TLSInfo(version="TLSv1.3", exporter=exporter, peer_chain=())


def check(*values: tuple[str, str], exporter: bytes | None = HERE) -> Binding:
    return check_binding(decode_pkcs10(bound_csr(*values)), connection(exporter))


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize("oid", [CHALLENGE_PASSWORD, ESTIDENTITY_LINKING])
def test_a_binding_of_another_connection_is_refused(oid: str) -> None:
    with pytest.raises(BindingFailure) as refused:
        check((oid, b64(ELSEWHERE)))
    assert refused.value.reason == "mismatch"


def test_each_carrier_is_verified_alone() -> None:
    with pytest.raises(BindingFailure):
        check((CHALLENGE_PASSWORD, b64(HERE)), (ESTIDENTITY_LINKING, b64(ELSEWHERE)))
    with pytest.raises(BindingFailure):
        check((CHALLENGE_PASSWORD, b64(ELSEWHERE)), (ESTIDENTITY_LINKING, b64(HERE)))


def test_tls_unique_cannot_be_of_a_tls13_connection() -> None:
    with pytest.raises(BindingFailure) as refused:
        check((CHALLENGE_PASSWORD, b64(bytes(12))))
    assert refused.value.reason == "mismatch"


def test_without_an_exporter_there_is_nothing_to_compare() -> None:
    with pytest.raises(BindingFailure) as refused:
        check((CHALLENGE_PASSWORD, b64(HERE)), exporter=None)
    assert refused.value.reason == "no_exporter"


@pytest.mark.parametrize("octets", [12, 32])
def test_through_a_proxy_no_binding_can_hold(octets: int) -> None:
    tls = TLSInfo(version="TLSv1.3", exporter=None, peer_chain=(), via="192.0.2.7")
    csr = decode_pkcs10(bound_csr((CHALLENGE_PASSWORD, b64(bytes(octets)))))
    with pytest.raises(BindingFailure) as refused:
        check_binding(csr, tls)
    assert refused.value.reason == "no_exporter"


@pytest.mark.parametrize("oid", [CHALLENGE_PASSWORD, ESTIDENTITY_LINKING])
def test_the_binding_of_this_connection_is_verified(oid: str) -> None:
    assert check((oid, b64(HERE))) is Binding.TLS_EXPORTER


@pytest.mark.parametrize("text", ["hunter2", "a password of thirty-two letters", b64(bytes(31))])
def test_what_people_type_is_no_binding(text: str) -> None:
    assert check((CHALLENGE_PASSWORD, text)) is Binding.NONE


def test_a_csr_without_challenge_is_no_binding() -> None:
    assert check() is Binding.NONE
