"""A CSR must prove possession of its key: tampered, weakly signed, unsigned, another's key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import BIT_STRING, SEQUENCE, encode, encode_oid
from tests.harness.raw import RawClient, post
from tests.harness.records import refused
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, REENROLL, assert_refused
from tests.unit.wire import forge

INFO = forge.info()
STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_SPKI = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
NULL = b"\x05\x00"
# The order of P-256: (0, 0), (n, n) and their kin pass verifiers that check no range.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def request(
    signature: bytes, *, info: bytes = INFO, algorithm: bytes = forge.ECDSA_SHA256
) -> bytes:
    return encode(SEQUENCE, info, algorithm, encode(BIT_STRING, b"\x00", signature))


def ecdsa(info: bytes, digest: hashes.HashAlgorithm, oid: str) -> bytes:
    signature = forge.KEY.sign(info, ec.ECDSA(digest))
    return request(signature, info=info, algorithm=encode(SEQUENCE, encode_oid(oid)))


def pkcs1(digest: hashes.HashAlgorithm, oid: str) -> bytes:
    info = forge.info(spki=RSA_SPKI)
    signature = RSA_KEY.sign(info, padding.PKCS1v15(), digest)
    return request(signature, info=info, algorithm=encode(SEQUENCE, encode_oid(oid), NULL))


def of_numbers(r: int, s: int) -> bytes:
    octets = (number.to_bytes(33, "big").lstrip(b"\0") or b"\0" for number in (r, s))
    padded = (b"\0" + value if value[0] & 0x80 else value for value in octets)
    return request(encode(SEQUENCE, *(encode(0x02, value) for value in padded)))


def tampered() -> bytes:
    """Signed for device-1, sent for device-2."""
    return forge.request().replace(b"device-1", b"device-2")


CASES = {
    "tampered subject": tampered(),
    "SHA-1 with ECDSA": ecdsa(INFO, hashes.SHA1(), "1.2.840.10045.4.1"),  # noqa: S303
    "SHA-1 with RSA": pkcs1(hashes.SHA1(), "1.2.840.113549.1.1.5"),  # noqa: S303
    "MD5 with RSA": pkcs1(hashes.MD5(), "1.2.840.113549.1.1.4"),  # noqa: S303
    "named SHA-256, made with SHA-1": request(
        forge.KEY.sign(INFO, ec.ECDSA(hashes.SHA1()))  # noqa: S303
    ),
    "signed by another key": request(STRANGER.sign(INFO, ec.ECDSA(hashes.SHA256()))),
    "no signature": request(b""),
    "signature of zeros": request(bytes(70)),
    "signature of something else": request(
        forge.KEY.sign(b"something else", ec.ECDSA(hashes.SHA256()))
    ),
    "r and s are zero": of_numbers(0, 0),
    "r and s are the order": of_numbers(ORDER, ORDER),
    "RSA algorithm over an EC key": request(
        bytes(256), algorithm=encode(SEQUENCE, encode_oid("1.2.840.113549.1.1.11"), NULL)
    ),
    "unknown algorithm": request(bytes(64), algorithm=encode(SEQUENCE, encode_oid("1.2.3.4"))),
    "Ed25519 algorithm over an EC key": request(
        bytes(64), algorithm=encode(SEQUENCE, encode_oid("1.3.101.112"))
    ),
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES.keys())
def test_refused_and_on_record(server: RunningServer, authorization: str, body: bytes) -> None:
    with (
        refused(
            server,
            AuditAction.SIMPLE_ENROLL_FAILED,
            "csr_signature",
            Counter.CSR_SIGNATURE_MISMATCH,
        ),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, body, authorization))
        assert_refused(client.answer(), 400, "signature", "proves possession of its key")


def test_in_a_renewal_too(server: RunningServer, authorization: str) -> None:
    with (
        refused(
            server,
            AuditAction.SIMPLE_REENROLL_FAILED,
            "csr_signature",
            Counter.CSR_SIGNATURE_MISMATCH,
        ),
        RawClient(server) as client,
    ):
        client.send(post(REENROLL, CASES["signed by another key"], authorization))
        assert_refused(client.answer(), 400, "signature")
