"""What proxies say about their clients: read exactly, or refused with the kind of fault."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certctl.wire.proxy_headers import (
    MAX_CHAIN,
    MAX_HOPS,
    MAX_VALUE,
    Fault,
    ProxyHeaderMalformed,
    decode_client_cert,
    decode_client_cert_chain,
    decode_escaped_pem,
    decode_forwarded,
    decode_x_forwarded_for,
    encode_client_cert,
)

SMALL = b"\x30\x03\x02\x01\x05"
"""The shortest thing that is whole DER: what is inside is judged elsewhere."""

V4 = IPv4Address("192.0.2.43")
V6 = IPv6Address("2001:db8:cafe::17")


def a_certificate() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


CERTIFICATE = a_certificate()
DER = CERTIFICATE.public_bytes(Encoding.DER)
PEM = CERTIFICATE.public_bytes(Encoding.PEM).decode()


def pem_of(der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def as_nginx_writes(text: str) -> bytes:
    """``ngx_escape_uri`` leaves only unreserved characters as they are."""
    return quote(text, safe="").encode()


# Client-Cert (RFC 9440 §2.2)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", Fault.NOT_BYTES),
        (b":", Fault.NOT_BYTES),
        (b"::", Fault.NOT_DER),
        (b":MAMCAQU", Fault.NOT_BYTES),
        (b"MAMCAQU=", Fault.NOT_BYTES),
        (b'"MAMCAQU="', Fault.NOT_BYTES),
        (b":MAMCAQU=: :MAMCAQU=:", Fault.NOT_BYTES),
        (b":MAMCAQU=:, :MAMCAQU=:", Fault.NOT_BYTES),
        (b":MAMCAQU=:;p=1", Fault.NOT_BYTES),
        (b":MAMC AQU=:", Fault.NOT_BYTES),
        (b":MAMC\nAQU=:", Fault.NOT_BYTES),
        (b":MAMCAQU==:", Fault.NOT_BYTES),
        (b":MAMCAQUF=:", Fault.NOT_BYTES),
        (b":MAMCAQUFF:", Fault.NOT_BYTES),
        (b":MAMC-_U=:", Fault.NOT_BYTES),
        (b":MAM=AQU=:", Fault.NOT_BYTES),
        (b"\t:MAMCAQU=:", Fault.NOT_BYTES),
        (encode_client_cert(DER[:-1]), Fault.NOT_DER),
        (encode_client_cert(DER + b"\x00"), Fault.NOT_DER),
        (encode_client_cert(DER + DER), Fault.NOT_DER),
        (encode_client_cert(b"\x31" + DER[1:]), Fault.NOT_DER),
        (encode_client_cert(b"\x30\x80\x00\x00"), Fault.NOT_DER),
        (b":" + b"A" * MAX_VALUE, Fault.TOO_LONG),
        (PEM.encode(), Fault.NOT_BYTES),
        (as_nginx_writes(PEM), Fault.NOT_BYTES),
        (b"(null)", Fault.NOT_BYTES),
    ],
)
def test_client_cert_that_is_none(value, fault):
    with pytest.raises(ProxyHeaderMalformed) as caught:
        decode_client_cert(value)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("value", "der"),
    [
        (b":MAMCAQU=:", SMALL),
        (b" :MAMCAQU=: ", SMALL),
        (b":MAMCAQU:", SMALL),  # RFC 8941 §4.2.7: padding may be left out
        (b":MAMCAQV=:", SMALL),  # and bits beyond the last octet are nobody's
        (encode_client_cert(DER), DER),
    ],
)
def test_client_cert(value, der):
    assert decode_client_cert(value) == der


@given(st.binary(max_size=300))
def test_client_cert_round_trip(content):
    der = sequence(content)
    assert decode_client_cert(encode_client_cert(der)) == der


# Client-Cert-Chain (RFC 9440 §2.3)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", Fault.NOT_BYTES),
        (b",", Fault.NOT_BYTES),
        (b":MAMCAQU=:,", Fault.NOT_BYTES),
        (b":MAMCAQU=: :MAMCAQU=:", Fault.NOT_BYTES),
        (b"(:MAMCAQU=:)", Fault.NOT_BYTES),
        (b":MAMCAQU=:, MAMCAQU=", Fault.NOT_BYTES),
        (b":MAMCAQU=:, ::", Fault.NOT_DER),
        (b", ".join([b":MAMCAQU=:"] * (MAX_CHAIN + 1)), Fault.TOO_LONG),
        (b":MAMCAQU=:," * (MAX_VALUE // 10), Fault.TOO_LONG),
    ],
)
def test_chain_that_is_none(value, fault):
    with pytest.raises(ProxyHeaderMalformed) as caught:
        decode_client_cert_chain(value)
    assert caught.value.fault is fault


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=MAX_CHAIN))
def test_chain_round_trip(contents):
    ders = tuple(map(sequence, contents))
    assert decode_client_cert_chain(b", ".join(map(encode_client_cert, ders))) == ders
    assert decode_client_cert_chain(b",".join(map(encode_client_cert, ders))) == ders


# X-SSL-Client-Cert (nginx)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", Fault.NOT_ESCAPED),
        (b"%", Fault.NOT_ESCAPED),
        (b"%2", Fault.NOT_ESCAPED),
        (b"%zz", Fault.NOT_ESCAPED),
        (b"(null)", Fault.NOT_PEM),
        (PEM.encode(), Fault.NOT_ESCAPED),
        (PEM.replace("\n", "\n\t").encode(), Fault.NOT_ESCAPED),
        (as_nginx_writes(PEM + PEM), Fault.NOT_PEM),
        (as_nginx_writes("x" + PEM), Fault.NOT_PEM),
        (as_nginx_writes(PEM + "x"), Fault.NOT_PEM),
        (as_nginx_writes(PEM[:-30]), Fault.NOT_PEM),
        (as_nginx_writes(as_nginx_writes(PEM).decode()), Fault.NOT_PEM),
        (as_nginx_writes(PEM.replace(" CERTIFICATE", " TRUSTED CERTIFICATE")), Fault.NOT_PEM),
        (as_nginx_writes(PEM.replace(" CERTIFICATE", " PRIVATE KEY")), Fault.NOT_PEM),
        (as_nginx_writes(PEM.replace("M", "*", 1)), Fault.NOT_PEM),
        (as_nginx_writes(pem_of(b"")), Fault.NOT_DER),
        (as_nginx_writes(pem_of(DER[:-1])), Fault.NOT_DER),
        (as_nginx_writes(pem_of(DER + b"\x00")), Fault.NOT_DER),
        (encode_client_cert(DER), Fault.NOT_PEM),
        (as_nginx_writes(PEM) + b"%20" * MAX_VALUE, Fault.TOO_LONG),
    ],
)
def test_escaped_pem_that_is_none(value, fault):
    with pytest.raises(ProxyHeaderMalformed) as caught:
        decode_escaped_pem(value)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    "value",
    [
        as_nginx_writes(PEM),
        as_nginx_writes(PEM).replace(b"%0A", b"%0a"),
        as_nginx_writes(PEM.strip()),
        as_nginx_writes(PEM.replace("\n", "\r\n")),
        quote(PEM, safe="+/=").encode(),  # as other proxies leave base64 alone
    ],
)
def test_escaped_pem(value):
    assert decode_escaped_pem(value) == DER


@given(st.binary(max_size=300))
def test_escaped_pem_round_trip(content):
    der = sequence(content)
    assert decode_escaped_pem(as_nginx_writes(pem_of(der))) == der


# Forwarded (RFC 7239)


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        # The examples of RFC 7239 §4 and §6.3, and their neighbours.
        (b'for="_gazonk"', (None,)),
        (b'For="[2001:db8:cafe::17]:4711"', (V6,)),
        (b"for=192.0.2.43;proto=http;by=203.0.113.43", (V4,)),
        (b"for=192.0.2.43, for=198.51.100.17", (V4, IPv4Address("198.51.100.17"))),
        (b'for=192.0.2.43, for="[2001:db8:cafe::17]"', (V4, V6)),
        (b'for="192.0.2.43:47011"', (V4,)),
        (b'for="192.0.2.43:_port"', (V4,)),
        (b"for=unknown", (None,)),
        (b"for=_hidden, for=_SEVKISEK", (None, None)),
        (b"proto=https", (None,)),
        (b"proto=https, for=192.0.2.43", (None, V4)),
        (b'by="[::1]";FOR=192.0.2.43', (V4,)),
        (b'host="a,b;for=1.2.3.4";for=192.0.2.43', (V4,)),
        (b'host="a\\"b";for=192.0.2.43', (V4,)),
        (b'for="192.0.2.\\43"', (V4,)),
        (b'for="[::ffff:192.0.2.43]"', (V4,)),
        (b"for=192.0.2.43 ; proto=http ,\tfor=unknown", (V4, None)),
    ],
)
def test_forwarded(value, hops):
    assert decode_forwarded(value) == hops


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", Fault.NOT_FORWARDED),
        (b"192.0.2.43", Fault.NOT_FORWARDED),
        (b"for", Fault.NOT_FORWARDED),
        (b"for=", Fault.NOT_FORWARDED),
        (b"for =192.0.2.43", Fault.NOT_FORWARDED),
        (b"for=192.0.2.43:47011", Fault.NOT_FORWARDED),  # a colon wants quotes
        (b"for=[2001:db8:cafe::17]", Fault.NOT_FORWARDED),
        (b'for="192.0.2.43', Fault.NOT_FORWARDED),
        (b'for="192.0.2.43"x', Fault.NOT_FORWARDED),
        (b"for=192.0.2.43 for=192.0.2.44", Fault.NOT_FORWARDED),
        (b"for=192.0.2.43;for=192.0.2.44", Fault.NOT_FORWARDED),  # §4: once per element
        (b"for=192.0.2.43;FOR=192.0.2.44", Fault.NOT_FORWARDED),
        (b"for=192.0.2.43,", Fault.NOT_FORWARDED),
        (b",for=192.0.2.43", Fault.NOT_FORWARDED),
        (b"for=192.0.2.43;;proto=http", Fault.NOT_FORWARDED),
        (b"for=192.0.2.43\x00", Fault.NOT_FORWARDED),
        (b"for=192.0.2.256", Fault.NOT_ADDRESS),
        (b"for=192.0.2", Fault.NOT_ADDRESS),
        (b"for=0192.0.2.43", Fault.NOT_ADDRESS),
        (b"for=client.example", Fault.NOT_ADDRESS),
        (b'for="2001:db8:cafe::17"', Fault.NOT_ADDRESS),  # §6.1: IPv6 in brackets
        (b'for="[2001:db8:cafe::17"', Fault.NOT_ADDRESS),
        (b'for="[192.0.2.43]:"', Fault.NOT_ADDRESS),
        (b'for="[fe80::1%eth0]"', Fault.NOT_ADDRESS),
        (b'for="192.0.2.43:123456"', Fault.NOT_ADDRESS),
        (b'for="_"', Fault.NOT_ADDRESS),
        (b'for=""', Fault.NOT_ADDRESS),
        (b'for="192.0.2.43 "', Fault.NOT_ADDRESS),
        (b", ".join([b"for=unknown"] * (MAX_HOPS + 1)), Fault.TOO_LONG),
        (b"for=192.0.2.43" + b" " * MAX_VALUE, Fault.TOO_LONG),
    ],
)
def test_forwarded_that_is_none(value, fault):
    with pytest.raises(ProxyHeaderMalformed) as caught:
        decode_forwarded(value)
    assert caught.value.fault is fault


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(st.lists(st.one_of(st.none(), ADDRESSES), min_size=1, max_size=MAX_HOPS), st.booleans())
def test_forwarded_round_trip(hops, with_port):
    port = ":4711" if with_port else ""

    def element(hop):
        if hop is None:
            return "for=unknown;proto=https"
        return f'for="[{hop}]{port}"' if hop.version == 6 else f'for="{hop}{port}"'

    value = ", ".join(map(element, hops)).encode()
    assert decode_forwarded(value) == tuple(map(unmapped, hops))


# X-Forwarded-For


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        (b"192.0.2.43", (V4,)),
        (b"192.0.2.43:1234", (V4,)),
        (b"2001:db8:cafe::17", (V6,)),
        (b"[2001:db8:cafe::17]", (V6,)),
        (b"[2001:db8:cafe::17]:1234", (V6,)),
        (b"::ffff:192.0.2.43", (V4,)),
        (b"unknown, 192.0.2.43", (None, V4)),
        (b"192.0.2.43,2001:db8:cafe::17 , unknown", (V4, V6, None)),
    ],
)
def test_x_forwarded_for(value, hops):
    assert decode_x_forwarded_for(value) == hops


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", Fault.NOT_ADDRESS),
        (b",", Fault.NOT_ADDRESS),
        (b"192.0.2.43,", Fault.NOT_ADDRESS),
        (b"192.0.2.43 192.0.2.44", Fault.NOT_ADDRESS),
        (b'"192.0.2.43"', Fault.NOT_ADDRESS),
        (b"for=192.0.2.43", Fault.NOT_ADDRESS),
        (b"localhost", Fault.NOT_ADDRESS),
        (b"192.0.2.43\xff", Fault.NOT_ADDRESS),
        (b"192.0.2.43; DROP TABLE sources", Fault.NOT_ADDRESS),
        (b"fe80::1%eth0", Fault.NOT_ADDRESS),
        (b"2001:db8:cafe::17]:80", Fault.NOT_ADDRESS),
        (b":" * MAX_VALUE, Fault.NOT_ADDRESS),
        (b", ".join([b"192.0.2.43"] * (MAX_HOPS + 1)), Fault.TOO_LONG),
        (b" " * (MAX_VALUE + 1), Fault.TOO_LONG),
    ],
)
def test_x_forwarded_for_that_is_none(value, fault):
    with pytest.raises(ProxyHeaderMalformed) as caught:
        decode_x_forwarded_for(value)
    assert caught.value.fault is fault


@given(st.lists(ADDRESSES, min_size=1, max_size=MAX_HOPS))
def test_x_forwarded_for_round_trip(hops):
    value = ", ".join(map(str, hops)).encode()
    assert decode_x_forwarded_for(value) == tuple(map(unmapped, hops))


# All of them


DECODERS = [
    decode_client_cert,
    decode_client_cert_chain,
    decode_escaped_pem,
    decode_forwarded,
    decode_x_forwarded_for,
]


@pytest.mark.parametrize("decode", DECODERS)
@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(decode, value):
    # Whatever else is raised fails the test.
    with contextlib.suppress(ProxyHeaderMalformed):
        assert decode(value)


@pytest.mark.parametrize("octet", [b":", b'"', b"\\", b"%", b" ", b",", b"=", b";", b"-", b"["])
@pytest.mark.parametrize("decode", DECODERS)
def test_long_monotony_costs_little(decode, octet):
    # Quadratic reading of 16 KiB would take minutes and meet the suite's time limit.
    for _ in range(50):
        with pytest.raises(ProxyHeaderMalformed):
            decode(b'for="' + octet * (MAX_VALUE - 6) + b"x")


def sequence(content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    if 128 <= size < 256:
        length = b"\x81" + bytes([size])
    return b"\x30" + length + content


def unmapped(hop):
    if hop is None or hop.version == 4 or hop.ipv4_mapped is None:
        return hop
    return ip_address(hop.ipv4_mapped)
