"""The RFC 9908 template beside the old form: golden octets, read by two strangers."""

from __future__ import annotations

from typing import Any

import pytest
from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode as encode_again
from pyasn1_alt_modules import rfc8951, rfc9908

from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.patterns import SubjectPattern
from certctl.domain.policy import CertificateProfile
from certctl.wire.csr_template import EXTENSION_TEMPLATE, REQUEST_TEMPLATE
from certctl.wire.csrattrs import csrattrs_of
from tests.unit.wire.openssl import openssl

SERIAL = "2.5.4.5"
SAN = "2.5.29.17"
CHALLENGE = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MAC = "1.3.6.1.1.1.1.22"
EC = (AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=256),)
RSA = (AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),)
ED = (AllowedKey(algorithm=KeyAlgorithm.ED25519),)

# SEQUENCE { extensionRequest, SET { SEQUENCE { extKeyUsage { clientAuth } } } }
CLIENT_AUTH = "302406092a864886f70d01090e3117301530130603551d25040c300a06082b06010505070302"
P256 = "06072a8648ce3d020106082a8648ce3d030107"
HEAD = "060b2a864886f70d010910023d31"

GOLDEN = {
    "serial number, P-256, clientAuth": (
        CertificateProfile(id="cp", allowed_key_algorithms=EC, required_csr_attributes=(SERIAL,)),
        "3081a2"
        "0603550405"
        "301506072a8648ce3d0201310a06082a8648ce3d030107"
        + CLIENT_AUTH
        + f"305e{HEAD}4f304d020100"
        + "3009310730050603550405a0153013"
        + P256
        + "a126"
        + CLIENT_AUTH,
    ),
    "Ed25519, clientAuth": (
        CertificateProfile(id="cp", allowed_key_algorithms=ED),
        "307206032b6570"
        + CLIENT_AUTH
        + f"3045{HEAD}363034020100a00730050603"
        + "2b6570a126"
        + CLIENT_AUTH,
    ),
}


def template_of(der: bytes) -> Any:
    """The CertificationRequestInfoTemplate in CsrAttrs, read by pyasn1; canonical DER."""
    attributes, rest = decode(der, asn1Spec=rfc8951.CsrAttrs())
    assert not rest
    found = [
        each["attribute"]
        for each in attributes
        if each.getName() == "attribute" and str(each["attribute"]["attrType"]) == REQUEST_TEMPLATE
    ]
    assert len(found) == 1
    assert len(found[0]["attrValues"]) == 1
    value = bytes(found[0]["attrValues"][0])
    template, rest = decode(value, asn1Spec=rfc9908.CertificationRequestInfoTemplate())
    assert not rest
    assert encode_again(template) == value
    assert int(template["version"]) == 0
    return template


def made(**fields: Any) -> Any:
    return template_of(csrattrs_of(CertificateProfile(id="cp", **fields), template=True))


def attributes_of(template: Any) -> dict[str, list[bytes]]:
    return {
        str(each["type"]): [bytes(value) for value in each["values"]]
        for each in template["attributes"]
    }


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_octets(case: str) -> None:
    profile, octets = GOLDEN[case]
    der = csrattrs_of(profile, template=True)
    assert der.hex() == octets
    openssl("asn1parse", "-inform", "DER", given=der)
    template_of(der)
    # The old form stands unchanged before it.
    assert csrattrs_of(profile)[2:] in der


def test_subject_attributes_have_a_type_and_no_value() -> None:
    template = made(
        required_csr_attributes=(SERIAL,),
        required_subject_patterns=(
            SubjectPattern(oid="2.5.4.3", expression="a"),
            SubjectPattern(oid=SERIAL, expression="b"),
        ),
    )
    rdns = [list(rdn) for rdn in template["subject"]["rdnSequence"]]
    assert [str(attribute["type"]) for (attribute,) in rdns] == [SERIAL, "2.5.4.3"]
    assert not any(attribute["value"].isValue for (attribute,) in rdns)


def test_what_is_not_required_is_absent() -> None:
    template = made()
    assert not template["subject"].isValue
    assert not template["subjectPKInfo"].isValue
    assert set(attributes_of(template)) == {EXTENSION_REQUEST}


@pytest.mark.parametrize("bits", [2048, 3072])
def test_an_rsa_key_has_a_placeholder_of_its_size(bits: int) -> None:
    key = AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=bits)
    info = made(allowed_key_algorithms=(key,))["subjectPKInfo"]
    numbers, _ = decode(info["subjectPublicKey"].asOctets())
    assert int(numbers[0]).bit_length() == bits


def test_a_partial_extension_takes_the_full_ones_into_its_list() -> None:
    attributes = attributes_of(made(required_csr_attributes=(SAN,)))
    assert set(attributes) == {EXTENSION_TEMPLATE}
    (value,) = attributes[EXTENSION_TEMPLATE]
    extensions, _ = decode(value, asn1Spec=rfc9908.ExtensionReqTemplate())
    assert [(str(each["extnID"]), each["extnValue"].isValue) for each in extensions] == [
        ("2.5.29.37", True),
        (SAN, False),
    ]


def test_attributes_of_the_request_have_no_value() -> None:
    der = csrattrs_of(
        CertificateProfile(id="cp", required_csr_attributes=(MAC,)),
        binding_required=True,
        template=True,
    )
    attributes = attributes_of(template_of(der))
    linking = "1.2.840.113549.1.9.16.2.58"
    assert {oid: attributes[oid] for oid in (MAC, CHALLENGE, linking)} == {
        MAC: [],
        CHALLENGE: [],
        linking: [],
    }


def test_without_an_attribute_there_is_no_template() -> None:
    bare = CertificateProfile(id="cp", allowed_ekus=(), allowed_key_algorithms=ED)
    assert csrattrs_of(bare, template=True) == csrattrs_of(bare)
    assert csrattrs_of(CertificateProfile(id="cp", allowed_ekus=()), template=True) == b""
