"""Bodies as real clients send them, and bodies that are none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import RequestMalformed
from certctl.wire.body import decode_body, encode_base64, is_single_line
from tests.unit.wire import forge

DER = forge.request()
LINE = base64.b64encode(DER)
FOLDED = [LINE[at : at + 64] for at in range(0, len(LINE), 64)]
BLOCK = b"\n".join(FOLDED) + b"\n"


def pem(label: bytes, inside: bytes = BLOCK) -> bytes:
    return b"-----BEGIN " + label + b"-----\n" + inside + b"-----END " + label + b"-----\n"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(DER, id="DER"),
        pytest.param(LINE, id="strongSwan: one line without newline"),
        pytest.param(LINE + b"\n", id="one line with LF"),
        pytest.param(BLOCK, id="libest: folded at 64"),
        pytest.param(b"\r\n".join(FOLDED) + b"\r\n", id="CRLF folding"),
        pytest.param(b"\r".join(FOLDED) + b"\r", id="lone CR"),
        pytest.param(base64.encodebytes(DER), id="folded at 76"),
        pytest.param(BLOCK + b"\n\r\n \t\n", id="Cisco: trailing blank lines"),
        pytest.param(b"\n\n  " + b"\n\t ".join(FOLDED), id="indented, blank lines before"),
        pytest.param(b" ".join(FOLDED), id="folded with spaces"),
        pytest.param(pem(b"CERTIFICATE REQUEST"), id="PEM"),
        pytest.param(pem(b"NEW CERTIFICATE REQUEST"), id="PEM with NEW"),
        pytest.param(pem(b"CERTIFICATE REQUEST").replace(b"\n", b"\r\n"), id="PEM with CRLF"),
        pytest.param(pem(b"CERTIFICATE REQUEST").rstrip(), id="PEM without last newline"),
        pytest.param(pem(b"CERTIFICATE REQUEST") + b"\n \r\n", id="PEM, blank lines after"),
        pytest.param(pem(b"CERTIFICATE REQUEST", LINE), id="PEM in one line"),
        pytest.param(
            b"Certificate Request:\n    Data: Subject: CN = d\xc3\xa9v - x\n"
            + pem(b"CERTIFICATE REQUEST"),
            id="openssl req -text",
        ),
        pytest.param(b"\xef\xbb\xbf" + pem(b"CERTIFICATE REQUEST"), id="PEM with byte order mark"),
    ],
)
def test_a_body_of_any_client_gives_the_der(body):
    assert decode_body(body) == DER


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (pem(b"CERTIFICATE REQUEST", b"\n"), "empty"),
        (b"{}", "not_base64"),
        (b"csr=" + LINE, "not_base64"),
        *[
            (quads + padding, "not_base64")
            for quads, padding in (
                (b"MAAA", b"="),
                (b"MAAA", b"=="),
                (b"MAAA", b"==="),
                (b"MAAA", b"===="),
                (b"MAAAMAA", b""),
                (b"MAAAMAA", b"=="),
                (b"MAAAMAA", b"====="),
                (b"MAAAMA", b""),
                (b"MAAAMA", b"="),
                (b"MAAAMA", b"==="),
                (b"MAAAM", b"==="),
                (b"=MAA", b""),
                (b"MA=A", b""),
                (b"MAA=MAAA", b""),
            )
        ],
        (b"====", "not_base64"),
        (LINE + b"\x00", "not_base64"),
        (LINE[:100] + b"-" + LINE[101:], "not_base64"),
        (LINE[:100] + b"_" + LINE[101:], "not_base64"),
        (LINE[:100] + b"\xe9" + LINE[101:], "not_base64"),
        (LINE[:100] + b"\\n" + LINE[100:], "not_base64"),
        (LINE[:100] + b"==" + LINE[102:], "not_base64"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n" + BLOCK, "not_base64"),
        (b"-----BEGIN CERTIFICATE REQUEST-----", "not_base64"),
        (pem(b"CERTIFICATE REQUEST").replace(b"END ", b"END NEW "), "not_base64"),
        (pem(b"CERTIFICATE"), "not_pkcs10"),
        (pem(b"PRIVATE KEY") + pem(b"CERTIFICATE REQUEST"), "not_pkcs10"),
        (b"-----BEGIN ", "not_pkcs10"),
        (b"-----BEGIN " + b"A" * 60_000, "not_pkcs10"),
        (pem(b"CERTIFICATE REQUEST") * 2, "trailing_bytes"),
        (pem(b"CERTIFICATE REQUEST") + b"x", "trailing_bytes"),
    ],
)
def test_other_bodies_are_refused_with_the_reason(body, reason):
    with pytest.raises(RequestMalformed) as caught:
        decode_body(body)
    assert caught.value.reason == reason


def test_a_refused_pem_block_is_named_and_never_repeated():
    with pytest.raises(RequestMalformed) as caught:
        decode_body(pem(b"EC PRIVATE KEY"))
    assert "EC PRIVATE KEY" in caught.value.note
    assert LINE[:16].decode() not in caught.value.note


@given(st.binary(max_size=200))
def test_any_octets_are_octets_or_a_refusal(body):
    reason = ""
    try:
        decode_body(body)
    except RequestMalformed as refused:
        reason = refused.reason
    assert reason in {"", "empty", "not_base64", "not_pkcs10", "trailing_bytes"}


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["\n", "\r\n", "\r", " \t\n"]))
def test_base64_of_anything_but_text_comes_back(data, fold):
    lines = [
        base64.b64encode(data).decode()[at : at + 10] for at in range(0, 2 * len(data) + 10, 10)
    ]
    body = fold.join(lines).encode()
    if not body.startswith(b"0"):
        assert decode_body(body) == data


@pytest.mark.parametrize(
    ("body", "single"),
    [
        (LINE, True),
        (LINE + b"\n", True),
        (LINE + b"\r\n\r\n", True),
        (BLOCK, False),
        (b"\r".join(FOLDED), False),
        (pem(b"CERTIFICATE REQUEST"), False),
        (DER, False),
        (b"\x30\x03\x02\x01\x05", False),
    ],
)
def test_only_base64_in_one_line_counts_as_one_line(body, single):
    assert is_single_line(body) is single


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 95, 96, 97, 700])
def test_folded_answers_have_64_columns_lf_and_a_last_newline(size):
    data = bytes(range(256)) * 3
    lines = encode_base64(data[:size], wrapped=True).split(b"\n")
    assert lines.pop() == b""
    assert base64.b64decode(b"".join(lines), validate=True) == data[:size]
    assert all(len(line) == 64 for line in lines[:-1])
    assert len(lines[-1]) <= 64
    assert bool(lines[-1]) is bool(size)


@given(st.binary(max_size=500))
def test_single_line_answers_hold_one_newline_at_the_end(data):
    assert encode_base64(data, wrapped=False) == base64.b64encode(data) + b"\n"


@given(st.binary(min_size=1, max_size=500), st.booleans())
def test_answers_come_back(data, wrapped):
    assert base64.b64decode(encode_base64(data, wrapped=wrapped)) == data
