"""CsrAttrs as a client reads them: what servers send, and what none should."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.wire.csrattrs import encode_csrattrs
from certctl.wire.csrattrs_reader import Asked, decode_csrattrs, described
from certctl.wire.der import DerError

# The example of RFC 7030 §4.5.2.
EXAMPLE = base64.b64decode(
    "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw=="
)


def lines(der: bytes) -> list[str]:
    return [described(each) for each in decode_csrattrs(der)]


def test_the_example_of_the_rfc():
    assert lines(EXAMPLE) == [
        "challengePassword",
        "ecPublicKey: P-384",
        "extensionRequest: macAddress",
        "ecdsa-with-SHA384",
    ]


def test_what_our_own_server_sends():
    key = AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=3072)
    usages = ["1.3.6.1.5.5.7.3.2", "1.2.3.4"]
    assert lines(encode_csrattrs(ekus=usages, key=key, attributes=["2.5.4.5"])) == [
        "serialNumber",
        "rsaEncryption: 3072 bits",
        "extensionRequest: extendedKeyUsage clientAuth 1.2.3.4",
    ]


def test_a_value_of_another_type_is_kept_as_it_is():
    der = bytes.fromhex("300b3009060355040531020500")
    assert decode_csrattrs(der) == (Asked(oid="2.5.4.5", values=(b"\x05\x00",)),)
    assert lines(der) == ["serialNumber: 0500"]


def test_nothing_is_wanted():
    assert decode_csrattrs(bytes.fromhex("3000")) == ()


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "300006",
        "3003020100",
        "3100",
        "30050603550405ff",
        "300730050603550405",
        "300930070603550405" + "3100",
        "3080060355040500" + "00",
    ],
)
def test_what_is_no_csrattrs(octets: str):
    with pytest.raises(DerError):
        decode_csrattrs(bytes.fromhex(octets))


@given(st.binary(max_size=80))
def test_any_octets_are_read_or_refused(data: bytes):
    try:
        asked = decode_csrattrs(data)
    except DerError:
        return
    for each in asked:
        with suppress(DerError):
            assert described(each).isprintable()
