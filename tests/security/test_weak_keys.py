"""Keys that nobody may have a certificate for: weak, malformed, a CA's, lost, another's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import BIT_STRING, INTEGER, SEQUENCE, encode, encode_oid
from tests.harness import weak_keys
from tests.harness.device import Device, name
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, Refused, refused
from tests.harness.server import (
    PROGRAM,
    RunningServer,
    clean_environment,
    configured_server,
)
from tests.security.enrollment import ENROLL, assert_refused
from tests.unit.wire import forge

RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
EC_KEY = "1.2.840.10045.2.1"
P256 = "1.2.840.10045.3.1.7"
GENERATOR = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GOOD_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
MODULUS = GOOD_RSA.public_key().public_numbers().n


def integer(value: int) -> bytes:
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def rsa_spki(modulus: int, exponent: int = 65_537) -> bytes:
    numbers = encode(SEQUENCE, integer(modulus), integer(exponent))
    return encode(SEQUENCE, RSA_ALGORITHM, encode(BIT_STRING, b"\x00", numbers))


def ec_spki(point: bytes, parameters: bytes) -> bytes:
    algorithm = encode(SEQUENCE, encode_oid(EC_KEY), parameters)
    return encode(SEQUENCE, algorithm, encode(BIT_STRING, b"\x00", point))


def explicit_parameters() -> bytes:
    """The numbers of P-256 written out: who reads them must trust them (CVE-2020-0601)."""
    field = encode(SEQUENCE, encode_oid("1.2.840.10045.1.1"), integer(PRIME))
    curve = encode(
        SEQUENCE,
        encode(0x04, (PRIME - 3).to_bytes(32, "big")),
        encode(
            0x04,
            bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
        ),
    )
    return encode(
        SEQUENCE,
        encode(INTEGER, b"\x01"),
        field,
        curve,
        encode(0x04, GENERATOR),
        integer(ORDER),
        encode(INTEGER, b"\x01"),
    )


def public(key: Any) -> bytes:
    octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(octets, bytes)
    return octets


# The signature is another key's: the key must be refused before anybody looks at it.
UNSIGNED = {
    "RSA 512": ("key_size", rsa_spki((1 << 511) + 111)),
    "RSA 1024": ("key_size", rsa_spki((1 << 1023) + 1155)),
    "RSA 2047": ("key_size", rsa_spki((1 << 2046) + 297)),
    "RSA 8200": ("key_size", rsa_spki((1 << 8199) + 1)),
    "RSA 16384": ("key_size", rsa_spki((1 << 16383) + 1)),
    "exponent 1": ("weak_key", rsa_spki(MODULUS, 1)),
    "even exponent": ("weak_key", rsa_spki(MODULUS, 65_536)),
    "giant exponent": ("weak_key", rsa_spki(MODULUS, (1 << 300) + 1)),
    "even modulus": ("weak_key", rsa_spki(MODULUS + 1)),
    "point off the curve": (
        "weak_key",
        ec_spki(GENERATOR[:-1] + b"\xf4", encode_oid(P256)),
    ),
    "point at infinity": ("key_algorithm", ec_spki(b"\x00", encode_oid(P256))),
    "explicit parameters": ("key_algorithm", ec_spki(GENERATOR, explicit_parameters())),
    "wrong curve: secp256k1": (
        "key_algorithm",
        public(ec.generate_private_key(ec.SECP256K1())),
    ),
    "wrong curve: brainpool": (
        "key_algorithm",
        public(ec.generate_private_key(ec.BrainpoolP256R1())),
    ),
    "P-256 named, a point of P-384": (
        "key_algorithm",
        ec_spki(public(ec.generate_private_key(ec.SECP384R1()))[-97:], encode_oid(P256)),
    ),
}


@pytest.mark.parametrize("case", UNSIGNED)
def test_refused_before_its_signature_is_looked_at(
    server: RunningServer, authorization: str, case: str
) -> None:
    dimension, spki = UNSIGNED[case]
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, dimension, Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, forge.request(spki=spki), authorization))
        assert_refused(client.answer(), 400, dimension)


def csr_of(key: Any, common_name: str = "device-1") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", ["roca", "close_primes"])
def test_known_weak_key_is_refused_though_its_proof_is_good(
    server: RunningServer, authorization: str, kind: str
) -> None:
    body = csr_of(getattr(weak_keys, kind)())
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, "weak_key", Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, body, authorization))
        assert_refused(client.answer(), 400, "weak_key")


def test_the_key_of_the_ca_is_refused(server: RunningServer, authorization: str) -> None:
    """Whoever can use it for a CSR holds it; yet no device has the CA's name for a key."""
    path = server.directory / "demo" / "data" / "ca-iss-local.key"
    key = load_pem_private_key(path.read_bytes(), None)
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, "weak_key", Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, csr_of(key), authorization))
        assert_refused(client.answer(), 400, "weak_key", "the key of a CA")


def test_one_key_under_two_names_is_refused(
    server: RunningServer, password: str, tmp_path: Path
) -> None:
    device = Device(tmp_path, "twice-1")
    assert device.enroll(server, ENROLL, password=password).status == 200
    other = Device(tmp_path, "twice-2", key=device.key)
    with_san = Device(tmp_path, "twice-1", key=device.key, san=[x509.DNSName("twice.example")])
    for each in (other, with_san):
        with refused(
            server, AuditAction.CSR_POLICY_VIOLATION, "weak_key", Counter.CSR_POLICY_VIOLATION
        ):
            answer = each.enroll(server, ENROLL, password=password)
            assert_refused(answer, 400, "weak_key", "one key for one identity")
    # The same identity with its own key is no attack.
    ledgered = Device(tmp_path, "twice-1", key=device.key)
    assert ledgered.enroll(server, ENROLL, password=password).status == 200


def test_a_key_on_record_as_compromised_is_refused_for_ever(tmp_path: Path) -> None:
    password = "a password of the test"
    path = "/.well-known/est/corp/simpleenroll"
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": password,
    }
    with configured_server(tmp_path, settings) as server:
        device = Device(tmp_path, "lost-1")
        assert device.enroll(server, path, password=password).status == 200
        assert device.certificate is not None
        revoke(server, f"{device.certificate.serial_number:x}")
        ledger = Ledger(server, path=path)
        for each in (device, Device(tmp_path, "lost-2", key=device.key)):
            answer = each.enroll(server, path, password=password)
            assert_refused(answer, 400, "weak_key", "a key in good hands")
        ledger.expect(
            Refused(
                action=AuditAction.CSR_POLICY_VIOLATION,
                reason="weak_key",
                counter=Counter.CSR_POLICY_VIOLATION,
                profile="corp",
                times=2,
            )
        )


def revoke(server: RunningServer, serial: str) -> None:
    done = subprocess.run(
        [PROGRAM, "certificates", "revoke", serial, "--reason", "keyCompromise"],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
