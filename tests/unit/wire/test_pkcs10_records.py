"""What of a request goes on record, and what makes it the same request again."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.wire.der import OCTET_STRING, encode
from certctl.wire.pkcs10 import decode_pkcs10, repetition_input, strip_challenges
from tests.unit.wire import forge

SAN = forge.extensions(forge.sans(forge.dns("a.example")))
OTHER_SAN = forge.extensions(forge.sans(forge.dns("b.example")))
PLAIN = forge.attribute("1.2.840.113549.1.9.2", encode(0x0C, b"rack 7"))

CHALLENGES = [
    forge.attribute(oid, encode(tag, b"planted-secret-of-32-octets-long"))
    for oid, tag in (
        (forge.CHALLENGE, 0x0C),
        (forge.LINKING, 0x0C),
        ("1.2.840.113549.1.9.16.2.56", OCTET_STRING),
        ("1.2.840.113549.1.9.16.2.57", 0x0C),
        ("1.2.840.113549.1.9.16.2.43", OCTET_STRING),
    )
]


def repetition(*attributes: bytes, subject: bytes = forge.DEVICE) -> bytes:
    csr = decode_pkcs10(forge.request(*attributes, subject=subject))
    return hashlib.sha256(repetition_input(csr)).digest()


@pytest.mark.parametrize("challenge", CHALLENGES, ids=["password", "link", "56", "57", "43"])
def test_a_challenge_is_not_in_the_record_and_the_rest_is(challenge):
    csr = decode_pkcs10(forge.request(PLAIN, challenge, SAN))
    stored = strip_challenges(csr)
    assert b"planted" in csr.der
    assert b"planted" not in stored
    again = decode_pkcs10(stored)
    assert {attribute.der for attribute in again.attributes} == {PLAIN, SAN}
    assert (again.subject_der, again.spki_der) == (csr.subject_der, csr.spki_der)
    assert (again.signature, again.san_der) == (csr.signature, csr.san_der)
    assert x509.load_der_x509_csr(stored).is_signature_valid is False


def test_all_challenges_go_at_once():
    stored = strip_challenges(decode_pkcs10(forge.request(*CHALLENGES)))
    assert decode_pkcs10(stored).attributes == ()


@pytest.mark.parametrize("attributes", [(), (SAN,), (PLAIN, SAN)])
def test_without_challenges_the_record_is_the_request(attributes):
    der = forge.request(*attributes)
    assert strip_challenges(decode_pkcs10(der)) == der
    assert x509.load_der_x509_csr(der).is_signature_valid


def test_a_new_signature_and_a_new_binding_are_the_same_request():
    same = repetition(PLAIN, SAN)
    assert repetition(PLAIN, SAN) == same
    for challenge in CHALLENGES:
        assert repetition(PLAIN, challenge, SAN) == same


def test_another_name_extension_or_attribute_is_another_request():
    keys = {
        repetition(),
        repetition(SAN),
        repetition(OTHER_SAN),
        repetition(SAN, PLAIN),
        repetition(PLAIN),
        repetition(subject=forge.name((forge.CN, "device-1"))),
        repetition(subject=forge.name((forge.CN, "device-1", forge.PRINTABLE))),
    }
    assert len(keys) == 7


def test_another_key_is_another_request():
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    one, other = (decode_pkcs10(forge.request(spki=spki)) for spki in (forge.SPKI, spki))
    assert repetition_input(one) != repetition_input(other)
