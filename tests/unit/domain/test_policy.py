"""What the built-in certificate profile grants, and what no CSR ever gets."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from certctl.domain.constraints import NameConstraints, Subtree
from certctl.domain.csr import Csr, KeyUsage, RequestedExtension
from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.names import UTF8_STRING, DistinguishedName, NameAttribute
from certctl.domain.patterns import SanPattern, SubjectPattern
from certctl.domain.policy import (
    CLIENT_AUTH,
    DEFAULT_PROFILE,
    CertificateProfile,
    LintMode,
    check_contents,
    check_request,
)
from certctl.domain.san import GeneralName, SanKind
from tests.harness.replacing import replace

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_PURPOSE = "2.5.29.37.0"
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
EMPTY = DistinguishedName(rdns=())
DNS = GeneralName(kind=SanKind.DNS, value="device-1.example")

CSR = Csr(
    der=b"",
    signed=b"",
    signature_algorithm=b"",
    signature=b"",
    subject_der=b"\x30\x00",
    spki_der=b"",
    public_key=KEY,
)


def subject(text: str) -> DistinguishedName:
    attribute = NameAttribute(oid="2.5.4.3", tag=UTF8_STRING, text=text)
    return DistinguishedName(rdns=((attribute,),))


def asking(*oids: str, critical: bool = False) -> Csr:
    found = (RequestedExtension(oid=oid, critical=critical, value=b"\x30\x00") for oid in oids)
    return replace(CSR, extensions=tuple(found))


def refused(csr: Csr, profile: CertificateProfile = DEFAULT_PROFILE) -> PolicyViolation:
    with pytest.raises(PolicyViolation) as caught:
        check_request(csr, profile)
    return caught.value


def test_a_request_for_what_devices_get_is_granted():
    usual = asking("2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37", critical=True)
    usual = replace(usual, ekus=(CLIENT_AUTH,), key_usage=frozenset({KeyUsage.DIGITAL_SIGNATURE}))
    granted = check_request(usual, DEFAULT_PROFILE)
    assert (granted.key_agreement, granted.dropped) == (False, ())


def test_key_agreement_is_granted_when_asked_for():
    csr = replace(CSR, key_usage=frozenset({KeyUsage.KEY_AGREEMENT}))
    assert check_request(csr, DEFAULT_PROFILE).key_agreement is True


def test_unknown_extensions_are_dropped_and_noted_unless_critical():
    microsoft = "1.3.6.1.4.1.311.20.2"
    assert check_request(asking("2.5.29.16", microsoft), DEFAULT_PROFILE).dropped == (
        "2.5.29.16",
        microsoft,
    )
    fault = refused(asking("2.5.29.16", critical=True))
    assert (fault.dimension, fault.got) == ("extension", "2.5.29.16")


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("oid", ["2.5.29.30", "2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54"])
def test_constraints_and_policies_are_never_taken_from_a_csr(oid, critical):
    assert refused(asking(oid, critical=critical)).dimension == "extension"


def test_the_powers_of_a_ca_are_never_granted():
    assert refused(replace(CSR, wants_ca=True)).dimension == "extension"
    for usage in (KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN):
        fault = refused(replace(CSR, key_usage=frozenset({usage, KeyUsage.DIGITAL_SIGNATURE})))
        assert (fault.dimension, fault.got) == ("extension", f"keyUsage {usage.value}")


@pytest.mark.parametrize(
    "ekus", [(SERVER_AUTH,), (CLIENT_AUTH, SERVER_AUTH), (ANY_PURPOSE,), ("1.2.3",)]
)
def test_a_purpose_that_the_profile_leaves_out_is_refused(ekus):
    fault = refused(replace(CSR, ekus=ekus))
    assert (fault.dimension, fault.wanted, fault.got) == ("eku", CLIENT_AUTH, ekus[-1])


def test_purposes_are_those_of_the_profile():
    both = CertificateProfile(id="both", allowed_ekus=(CLIENT_AUTH, SERVER_AUTH))
    check_request(replace(CSR, ekus=(SERVER_AUTH,)), both)
    none = CertificateProfile(id="none", allowed_ekus=())
    assert refused(replace(CSR, ekus=(CLIENT_AUTH,)), none).wanted == "none"


@pytest.mark.parametrize(("name", "sans"), [(subject("device-1"), ()), (EMPTY, (DNS,))])
def test_a_name_in_either_place_is_enough(name, sans):
    check_contents(name, sans, KEY, DEFAULT_PROFILE)


@pytest.mark.parametrize(
    ("name", "sans", "dimension"),
    [
        (EMPTY, (), "subject"),
        (subject(""), (DNS,), "subject"),
        (subject("p\u0430ypal"), (), "name"),
        (subject("device\x00"), (), "name"),
        (subject("a"), (GeneralName(kind=SanKind.DNS, value="*.example"),), "name"),
        (subject("a"), (GeneralName(kind=SanKind.DIRECTORY_NAME, value="#3000"),), "san"),
        (subject("a"), (DNS,) * 21, "san"),
    ],
)
def test_names_that_no_certificate_may_hold_are_refused(name, sans, dimension):
    with pytest.raises(PolicyViolation) as caught:
        check_contents(name, sans, KEY, DEFAULT_PROFILE)
    assert caught.value.dimension == dimension


def test_the_key_is_judged_by_the_profile():
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    with pytest.raises(PolicyViolation) as caught:
        check_contents(subject("a"), (), key, DEFAULT_PROFILE)
    assert caught.value.dimension == "key_algorithm"
    allowed = (AllowedKey(algorithm=KeyAlgorithm.ED25519),)
    check_contents(
        subject("a"), (), key, CertificateProfile(id="ed", allowed_key_algorithms=allowed)
    )


def test_number_and_kinds_of_names_are_those_of_the_profile():
    strict = CertificateProfile(id="strict", allowed_san_types=(SanKind.IP,), max_sans=1)
    address = GeneralName(kind=SanKind.IP, value="192.0.2.1")
    check_contents(subject("a"), (address,), KEY, strict)
    for sans in ((DNS,), (address, address)):
        with pytest.raises(PolicyViolation):
            check_contents(subject("a"), sans, KEY, strict)


def test_the_digest_changes_with_every_field_and_with_nothing_else():
    changes: dict[str, Any] = {
        "id": "other",
        "enabled": False,
        "allowed_key_algorithms": (AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048),),
        "allowed_ekus": (SERVER_AUTH,),
        "allowed_san_types": (SanKind.DNS,),
        "name": "Sensors",
        "description": "of the north",
        "required_san_patterns": (SanPattern(kind=SanKind.DNS, expression="a"),),
        "required_subject_patterns": (SubjectPattern(oid="2.5.4.3", expression="a"),),
        "ttl_jitter_percent": 1,
        "must_staple": True,
        "required_csr_attributes": ("2.5.4.5",),
        "name_constraints": NameConstraints(excluded=(Subtree(kind=SanKind.DNS, base="a"),)),
        "permitted_subject_bases": (subject("a"),),
        "requires_approval": True,
        "approvals_needed": 2,
        "allow_key_reuse": True,
        "cn_as_san": True,
        "allow_subject_change": True,
        "lint": LintMode.WARN,
        "max_sans": 19,
        "max_ttl_seconds": 1,
        "backdate_seconds": 301,
    }
    assert set(changes) == {f.name for f in fields(CertificateProfile) if f.init}
    digests = {
        CertificateProfile(**({"id": "default"} | {k: v})).digest for k, v in changes.items()
    }
    assert len(digests | {DEFAULT_PROFILE.digest}) == len(changes) + 1
    assert CertificateProfile(id="default").digest == DEFAULT_PROFILE.digest
    assert len(DEFAULT_PROFILE.digest) == 64
