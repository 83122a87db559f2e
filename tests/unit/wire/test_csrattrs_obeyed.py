"""A CSR made from csrattrs alone passes the policy; one that leaves something out does not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.der.decoder import decode
from pyasn1_alt_modules import rfc5280, rfc8951, rfc9908

from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.policy import (
    CertificateProfile,
    check_attributes,
    check_contents,
    check_request,
    request_types,
)
from certctl.wire.csrattrs import csrattrs_of
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import decode_pkcs10

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
TEMPLATE = "1.2.840.113549.1.9.16.2.61"
EXTENSION_TEMPLATE = "1.2.840.113549.1.9.16.2.62"
CHALLENGE = "1.2.840.113549.1.9.7"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
KEYS: dict[str, Any] = {
    "1.2.840.10045.3.1.7": ec.generate_private_key(ec.SECP256R1()),
    "1.3.132.0.34": ec.generate_private_key(ec.SECP384R1()),
    "1.3.132.0.35": ec.generate_private_key(ec.SECP521R1()),
    "2048": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "3072": rsa.generate_private_key(public_exponent=65537, key_size=3072),
    "1.3.101.112": ed25519.Ed25519PrivateKey.generate(),
}
SUBJECT = {"2.5.4.5": "A-77", "2.5.4.10": "Acme", "2.5.4.11": "Sensors"}
EXTENSIONS: dict[str, x509.ExtensionType] = {
    "2.5.29.17": x509.SubjectAlternativeName([x509.DNSName("device-1.example")]),
    "2.5.29.15": x509.KeyUsage(True, *[False] * 8),
}
OTHER = {CHALLENGE: b"a word", "1.3.6.1.1.1.1.22": b"00:11:22:33:44:55"}


@dataclass
class Asked:
    """What a reader took out of csrattrs."""

    key: str = "1.2.840.10045.3.1.7"
    subject: list[str] = field(default_factory=list)
    extensions: dict[str, bytes | None] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)

    def oid(self, dotted: str) -> None:
        if dotted in SUBJECT:
            self.subject.append(dotted)
        elif dotted.startswith("2.5.29."):
            self.extensions.setdefault(dotted, None)
        elif dotted in KEYS:
            self.key = dotted
        else:
            self.attributes.append(dotted)

    def extension_list(self, der: bytes, spec: Any) -> None:
        for each in decode(der, asn1Spec=spec)[0]:
            value = each["extnValue"]
            self.extensions[str(each["extnID"])] = bytes(value) if value.isValue else None


def read_old(der: bytes) -> Asked:
    """As a client that knows RFC 8951 and no template."""
    asked = Asked()
    for each in decode(der, asn1Spec=rfc8951.CsrAttrs())[0] if der else ():
        if each.getName() == "oid":
            asked.oid(str(each["oid"]))
            continue
        kind = str(each["attribute"]["attrType"])
        values = [bytes(value) for value in each["attribute"]["attrValues"]]
        if kind == EXTENSION_REQUEST:
            asked.extension_list(values[0], rfc5280.Extensions())
        elif kind != TEMPLATE:
            asked.key = str(decode(values[0])[0])
    return asked


def read_template(der: bytes) -> Asked:
    """As a client that knows RFC 9908 and looks at nothing else."""
    asked = Asked()
    for each in decode(der, asn1Spec=rfc8951.CsrAttrs())[0] if der else ():
        if each.getName() == "oid" or str(each["attribute"]["attrType"]) != TEMPLATE:
            continue
        value = bytes(each["attribute"]["attrValues"][0])
        template = decode(value, asn1Spec=rfc9908.CertificationRequestInfoTemplate())[0]
        if template["subject"].isValue:
            for rdn in template["subject"]["rdnSequence"]:
                asked.subject += [str(attribute["type"]) for attribute in rdn]
        if template["subjectPKInfo"].isValue:
            asked.key = _key_of(template["subjectPKInfo"])
        for attribute in template["attributes"]:
            kind = str(attribute["type"])
            if kind == EXTENSION_REQUEST:
                asked.extension_list(bytes(attribute["values"][0]), rfc5280.Extensions())
            elif kind == EXTENSION_TEMPLATE:
                asked.extension_list(bytes(attribute["values"][0]), rfc9908.ExtensionReqTemplate())
            else:
                asked.attributes.append(kind)
    return asked


def _key_of(info: Any) -> str:
    algorithm = str(info["algorithm"]["algorithm"])
    if algorithm == RSA_ENCRYPTION:
        numbers = decode(info["subjectPublicKey"].asOctets())[0]
        return str(int(numbers[0]).bit_length())
    parameters = info["algorithm"]["parameters"]
    return str(decode(bytes(parameters))[0]) if parameters.isValue else algorithm


def csr_from(asked: Asked) -> bytes:
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "device-1")]
    names += [x509.NameAttribute(x509.ObjectIdentifier(oid), SUBJECT[oid]) for oid in asked.subject]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    for oid, value in asked.extensions.items():
        known = EXTENSIONS.get(oid)
        if value is not None:
            known = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        assert known is not None, oid
        builder = builder.add_extension(known, critical=False)
    for oid in asked.attributes:
        builder = builder.add_attribute(x509.ObjectIdentifier(oid), OTHER[oid])
    key = KEYS[asked.key]
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def judge(der: bytes, profile: CertificateProfile) -> str:
    csr = decode_pkcs10(der)
    subject = decode_name(csr.subject_der)
    sans = decode_general_names(csr.san_der) if csr.san_der else ()
    try:
        check_request(csr, profile)
        check_attributes(request_types(csr), subject, profile)
        check_contents(subject, sans, csr.public_key, profile)
    except PolicyViolation as refused:
        return refused.dimension
    return ""


ONE_KEY = st.sampled_from(
    [
        AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=256),
        AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=384),
        AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=521),
        AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),
        AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=3072),
        AllowedKey(algorithm=KeyAlgorithm.ED25519),
    ]
)
REQUIRABLE = [*SUBJECT, *EXTENSIONS, *OTHER]
PROFILES = st.builds(
    CertificateProfile,
    id=st.just("cp"),
    allowed_key_algorithms=st.one_of(
        st.just(CertificateProfile(id="x").allowed_key_algorithms), ONE_KEY.map(lambda key: (key,))
    ),
    allowed_ekus=st.lists(
        st.sampled_from(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1", "1.2.3.4"]), unique=True
    ).map(tuple),
    required_csr_attributes=st.lists(st.sampled_from(REQUIRABLE), unique=True).map(tuple),
)
BUDGET = settings(max_examples=60, deadline=dt.timedelta(seconds=5))


@pytest.mark.parametrize("reader", [read_old, read_template])
@BUDGET
@given(profile=PROFILES)
def test_a_request_from_csrattrs_alone_is_accepted(reader: Any, profile: Any) -> None:
    der = csrattrs_of(profile, template=True)
    # Without any attribute there is no template, and such a client reads the old form.
    asked = reader(der) if bytes.fromhex("060b2a864886f70d010910023d") in der else read_old(der)
    assert judge(csr_from(asked), profile) == ""


@BUDGET
@given(profile=PROFILES, data=st.data())
def test_without_a_required_attribute_it_is_refused(profile: Any, data: st.DataObject) -> None:
    if not profile.required_csr_attributes:
        return
    missing = data.draw(st.sampled_from(profile.required_csr_attributes))
    asked = read_old(csrattrs_of(profile))
    asked.subject = [oid for oid in asked.subject if oid != missing]
    asked.attributes = [oid for oid in asked.attributes if oid != missing]
    asked.extensions.pop(missing, None)
    assert judge(csr_from(asked), profile) == "attribute"


@BUDGET
@given(key=ONE_KEY, other=st.sampled_from(sorted(KEYS)))
def test_with_another_key_it_is_refused(key: Any, other: str) -> None:
    profile = CertificateProfile(id="cp", allowed_key_algorithms=(key,))
    asked = read_old(csrattrs_of(profile))
    wanted = KEYS[asked.key]
    asked.key = other
    verdict = judge(csr_from(asked), profile)
    if type(KEYS[other]) is not type(wanted):
        assert verdict == "key_algorithm"
    elif KEYS[other] is not wanted and KEYS[other].key_size < wanted.key_size:
        assert verdict == "key_size"
    else:
        assert verdict == ""  # as good, or better
