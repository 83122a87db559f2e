"""Authorization headers: Basic credentials, or what is wrong with them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.wire.basic import BasicCredentials, BasicFault, decode_basic


def token(octets: bytes | str) -> str:
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


@pytest.mark.parametrize(
    ("header", "user", "password"),
    [
        ("Basic " + token("device:secret"), "device", "secret"),
        ("basic " + token("device:secret"), "device", "secret"),
        ("BASIC  " + token("device:secret"), "device", "secret"),
        (" Basic " + token("device:secret") + " ", "device", "secret"),
        ("Basic " + token(":secret"), "", "secret"),
        ("Basic " + token("a:b:c"), "a", "b:c"),
        ("Basic " + token("a::"), "a", ":"),
        ("Basic " + token("a: "), "a", " "),
        ("Basic " + token("gerät:wört€r"), "gerät", "wört€r"),
        ("Basic " + token("ger\xe4t:w\xf6rter".encode("latin-1")), "gerät", "wörter"),
    ],
)
def test_credentials_are_read(header, user, password):
    assert decode_basic(header) == BasicCredentials(user=user, password=password)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("", BasicFault.OTHER_SCHEME),
        ("Bearer " + token("device:secret"), BasicFault.OTHER_SCHEME),
        ('Digest username="device"', BasicFault.OTHER_SCHEME),
        (token("device:secret"), BasicFault.OTHER_SCHEME),
        ("Basic\t" + token("device:secret"), BasicFault.OTHER_SCHEME),
        ("Basicx " + token("device:secret"), BasicFault.OTHER_SCHEME),
        ("Basic", BasicFault.MALFORMED),
        ("Basic ", BasicFault.MALFORMED),
        ("Basic device:secret", BasicFault.MALFORMED),
        ("Basic " + token("no colon"), BasicFault.MALFORMED),
        ("Basic " + token("device:secret")[:-1], BasicFault.MALFORMED),
        ("Basic " + token("device:secret") + "=", BasicFault.MALFORMED),
        ("Basic " + token("device:secret") + " x", BasicFault.MALFORMED),
        ("Basic " + token("device:secret") + ", Basic x", BasicFault.MALFORMED),
        ("Basic " + token("dev\x00ice:secret"), BasicFault.MALFORMED),
        ("Basic " + token("device:sec\nret"), BasicFault.MALFORMED),
        ("Basic " + token("device:sec\x85ret".encode("latin-1")), BasicFault.MALFORMED),
        ("Basic " + token("device:secr\x7fet"), BasicFault.MALFORMED),
        ("Basic d\xe9vice", BasicFault.MALFORMED),
        ("Basic " + token("device:"), BasicFault.EMPTY_PASSWORD),
        ("Basic " + token(":"), BasicFault.EMPTY_PASSWORD),
    ],
)
def test_faults_are_told_and_never_raised(header, fault):
    assert decode_basic(header) is fault


def test_a_password_is_not_shown():
    given_header = decode_basic("Basic " + token("device:planted-secret"))
    assert "planted" not in repr(given_header)


printable = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)


@given(printable.filter(lambda user: ":" not in user), printable.filter(bool))
def test_any_credentials_come_back(user, password):
    expected = BasicCredentials(user=user, password=password)
    assert decode_basic("Basic " + token(f"{user}:{password}")) == expected


@given(st.text(max_size=60))
def test_any_header_is_answered(header):
    assert isinstance(decode_basic(header), BasicCredentials | BasicFault)
    assert isinstance(decode_basic("Basic " + header), BasicCredentials | BasicFault)
