"""OCSP requests: what is malformed, what is asked, and by which paths."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import OcspError
from certctl.wire.certificate import extension
from certctl.wire.der import SEQUENCE, encode, encode_oid
from certctl.wire.ocsp_request import (
    MAX_QUESTIONS,
    MAX_REQUEST,
    NONCE,
    OcspIssuer,
    decode_request,
    request_of_path,
    serial_of_path,
    standard_cert_id,
)
from tests.unit.issuers.orders import spki_of
from tests.unit.trust.pki import make_ca
from tests.unit.wire.test_certificate import SPKI

NAME = b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02CA"
ISSUER = OcspIssuer(issuer_der=NAME, spki_der=SPKI)
SERIAL = f"{0x41:02x}" + "00112233445566778899aabbccddeeff010203"
CERT_ID, CERT_ID_BARE, CERT_ID_256, CERT_ID_256_BARE = ISSUER.cert_ids(SERIAL)
SHA1 = bytes.fromhex("300906052b0e03021a0500")
HASH = b"\x04\x14" + b"h" * 20


def single(cert_id: bytes = CERT_ID, more: bytes = b"") -> bytes:
    return encode(SEQUENCE, cert_id, more)


def request(*singles: bytes, before: bytes = b"", extensions: bytes = b"", after: bytes = b""):
    listed = encode(SEQUENCE, *(singles or (single(),)))
    tagged = encode(0xA2, encode(SEQUENCE, extensions)) if extensions else b""
    return encode(SEQUENCE, encode(SEQUENCE, before, listed, tagged), after)


def nonce(count: int, *, critical: bool = False) -> bytes:
    return extension(NONCE, encode(0x04, b"n" * count), critical=critical)


def cert_id(*parts: bytes) -> bytes:
    return encode(SEQUENCE, *parts)


def refused(octets: bytes) -> OcspError:
    with pytest.raises(OcspRefused) as caught:
        decode_request(octets)
    assert caught.value.note
    return caught.value.error


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30\x00",
        b"\x30\x02\x30\x00",
        b"\x30\x04\x30\x02\x30\x00",
        request() + b"\x00",
        b"\x31" + request()[1:],
        b"\x30\x81" + request()[1:],
        request(before=b"\xa0\x03\x02\x01\x01"),
        request(before=b"\xa0\x00"),
        request(before=b"\xa3\x00"),
        request(after=b"\xa1\x00"),
        request(after=b"\xa0\x00\x05\x00"),
        request(b""),
        request(single(cert_id())),
        request(single(cert_id(SHA1, HASH, HASH))),
        request(single(cert_id(SHA1, HASH, b"\x02\x01\x01"))),
        request(single(cert_id(SHA1, HASH, HASH, b"\x02\x00"))),
        request(single(cert_id(SHA1, HASH, HASH, b"\x02\x01\xff"))),
        request(single(cert_id(SHA1, HASH, HASH, b"\x02\x02\x00\x01"))),
        request(single(cert_id(SHA1, HASH, HASH, b"\x02\x01\x01", b"\x05\x00"))),
        request(single(cert_id(b"\x30\x00", HASH, HASH, b"\x02\x01\x01"))),
        request(
            single(
                cert_id(SHA1[:1] + b"\x0b" + SHA1[2:] + b"\x05\x00", HASH, HASH, b"\x02\x01\x01")
            )
        ),
        request(single(more=b"\x05\x00")),
        request(single(more=b"\xa0\x02\x30\x00")),
        request(
            single(more=encode(0xA0, encode(SEQUENCE, extension("1.2.3", b"", critical=True))))
        ),
        request(*[single()] * (MAX_QUESTIONS + 1)),
        request(extensions=extension("1.2.3", b"\x05\x00", critical=True)),
        request(extensions=nonce(0)),
        request(extensions=nonce(129)),
        request(extensions=nonce(8) + nonce(8)),
        request(extensions=extension(NONCE, b"naked nonce")),
        request(extensions=extension(NONCE, b"\x04\x01n\x00")),
        request(extensions=extension(NONCE, b"")),
        request(extensions=extension("1.2.3", b"x" * MAX_REQUEST)),
    ],
    ids=range(34),
)
def test_what_is_no_request_is_malformed(octets):
    assert refused(octets) is OcspError.MALFORMED_REQUEST


def test_every_cut_is_malformed():
    whole = request(single(), single(CERT_ID_256), extensions=nonce(32))
    for length in range(len(whole)):
        assert refused(whole[:length]) is OcspError.MALFORMED_REQUEST


@given(octets=st.binary(max_size=200))
def test_whatever_comes_is_a_question_or_malformed(octets):
    standard_cert_id(octets)
    try:
        question = decode_request(octets)
    except OcspRefused:
        return
    assert question.cert_ids


@pytest.mark.parametrize("count", [1, 8, 32, 127, 128])
@pytest.mark.parametrize("critical", [False, True])
def test_a_nonce_of_1_to_128_octets_is_taken(count, critical):
    question = decode_request(request(extensions=nonce(count, critical=critical)))
    assert question.nonce == b"n" * count


def test_what_need_not_be_understood_is_overlooked():
    plain = decode_request(request())
    assert plain.nonce is None
    assert [(each.der, each.serial) for each in plain.cert_ids] == [(CERT_ID, SERIAL)]
    for octets in (
        request(before=b"\xa0\x03\x02\x01\x00"),
        request(before=b"\xa1\x04\x82\x02me"),
        request(before=b"\xa0\x03\x02\x01\x00\xa1\x04\x82\x02me"),
        request(after=encode(0xA0, b"\x30\x00")),
        request(extensions=extension("1.3.6.1.5.5.7.48.1.4", b"\x30\x00")),
        request(single(more=encode(0xA0, encode(SEQUENCE, extension("1.2.3", b"\x05\x00"))))),
    ):
        assert decode_request(octets) == plain


def test_all_certificates_of_a_request_are_read_in_their_order():
    asked = [ISSUER.cert_ids(f"{number:x}")[0] for number in range(1, MAX_QUESTIONS + 1)]
    question = decode_request(request(*map(single, asked)))
    assert [each.der for each in question.cert_ids] == asked
    assert [each.serial for each in question.cert_ids] == [
        f"{number:x}" for number in range(1, MAX_QUESTIONS + 1)
    ]


@pytest.mark.parametrize(
    "octets",
    [CERT_ID, CERT_ID_BARE, CERT_ID_256, CERT_ID_256_BARE],
    ids=["sha1", "sha1, bare", "sha256", "sha256, bare"],
)
def test_all_four_forms_of_a_cert_id_mean_the_issuer(octets):
    (asked,) = decode_request(request(single(octets))).cert_ids
    assert ISSUER.is_meant(asked)


def other_hash(octets: bytes, offset: int) -> bytes:
    return octets[:offset] + bytes((octets[offset] ^ 1,)) + octets[offset + 1 :]


@pytest.mark.parametrize(
    "octets",
    [
        other_hash(CERT_ID, 20),
        other_hash(CERT_ID, 40),
        other_hash(CERT_ID_256, 25),
        other_hash(CERT_ID_256, 60),
        CERT_ID.replace(encode_oid("1.3.14.3.2.26"), encode_oid("1.3.14.3.2.27")),
        CERT_ID.replace(b"\x05\x00", b"\x0c\x00", 1),
        cert_id(SHA1, CERT_ID[35:57], CERT_ID[13:35], CERT_ID[57:]),
    ],
    ids=["name", "key", "name-256", "key-256", "algorithm", "parameters", "swapped"],
)
def test_a_cert_id_of_another_issuer_is_not_meant(octets):
    (asked,) = decode_request(request(single(octets))).cert_ids
    assert asked.serial == SERIAL
    assert not ISSUER.is_meant(asked)


@pytest.mark.parametrize(
    "algorithm",
    [hashes.SHA1(), hashes.SHA256()],  # noqa: S303 - names a certificate, protects nothing
    ids=["sha1", "sha256"],
)
@pytest.mark.parametrize("serial", [1, 127, 128, 0x8000, (1 << 159) - 1, 1 << 159])
def test_the_librarys_requests_are_read_and_of_the_usual_shape(algorithm, serial):
    ca = make_ca("an issuer")
    key = ca.certificate.public_key()
    builder = ocsp.OCSPRequestBuilder()
    digest = hashes.Hash(algorithm)
    digest.update(ca.certificate.subject.public_bytes())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key).digest
    if isinstance(algorithm, hashes.SHA256):
        bits = hashes.Hash(algorithm)
        bits.update(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        identifier = bits.finalize()
    built = builder.add_certificate_by_hash(digest.finalize(), identifier, serial, algorithm)
    octets = built.build().public_bytes(Encoding.DER)
    issuer = OcspIssuer(issuer_der=ca.certificate.subject.public_bytes(), spki_der=spki_of(ca.key))
    (asked,) = decode_request(octets).cert_ids
    assert asked.serial == f"{serial:x}"
    assert issuer.is_meant(asked)
    assert standard_cert_id(octets) == asked.der
    with_nonce = built.add_extension(x509.OCSPNonce(b"n" * 16), critical=False).build()
    octets = with_nonce.public_bytes(Encoding.DER)
    assert standard_cert_id(octets) is None
    assert decode_request(octets).nonce == b"n" * 16


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        request(single(), single()),
        request(extensions=nonce(1)),
        request(before=b"\xa0\x03\x02\x01\x00"),
        request(after=encode(0xA0, b"\x30\x00")),
        request(single(more=encode(0xA0, encode(SEQUENCE, extension("1.2.3", b"\x05\x00"))))),
        request() + b"\x00",
        request()[:-1],
    ],
    ids=range(9),
)
def test_other_shapes_take_the_long_way(octets):
    assert standard_cert_id(octets) is None


@given(st.binary(max_size=300))
def test_a_path_leads_back_to_its_request(octets):
    text = base64.b64encode(octets)
    # Only base64 of DER is told from slashes that somebody put before it.
    text = base64.b64encode(b"\x30" + octets) if text.startswith(b"/") else text
    wanted = base64.b64decode(text)
    for tail in (text, quote(text, safe="").encode(), quote(text).encode(), b"/" + text):
        assert request_of_path(tail) == wanted


def test_slashes_and_pluses_of_base64_may_stand_in_a_path_as_they_are():
    octets = b"\x30\xff\xff\xfb\xef\xbe"
    assert base64.b64encode(octets) == b"MP//++++"
    assert request_of_path(b"MP//++++") == octets


@pytest.mark.parametrize(
    "tail",
    [
        *(b"M", b"MA", b"MA=", b"MA===", b"M%41=", b"M A=", b"MA%3", b"MA%3D%3D%3D", b"MA-_"),
        *(b"\xff" * 4, b"MAAA\n", b"MAAA?", b"M" * (2 * MAX_REQUEST + 4)),
    ],
    ids=range(13),
)
def test_a_path_that_is_not_base64_is_malformed(tail):
    with pytest.raises(OcspRefused) as caught:
        request_of_path(tail)
    assert caught.value.error is OcspError.MALFORMED_REQUEST


@pytest.mark.parametrize(
    ("tail", "serial"),
    [
        (b"41", "41"),
        (b"0041ab", "41ab"),
        (b"ABCDEF", "abcdef"),
        (b"0", "0"),
        (b"00", "0"),
        (b"0" * 2 + b"f" * 40, "f" * 40),
    ],
)
def test_a_serial_in_a_path(tail, serial):
    assert serial_of_path(tail) == serial


@pytest.mark.parametrize("tail", [b"", b"0x41", b"4g", b"41/", b"-1", b" 41", b"f" * 43, b"MEUw"])
def test_what_is_no_serial_in_a_path(tail):
    assert serial_of_path(tail) is None


def test_the_question_about_a_serial_is_one_by_sha_1():
    question = ISSUER.question(SERIAL)
    assert question == decode_request(request(single(CERT_ID)))
