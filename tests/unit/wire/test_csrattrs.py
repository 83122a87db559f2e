"""CsrAttrs say what is enforced, readable by openssl and by hand."""

from __future__ import annotations

import pytest

from certctl.domain.keys import AllowedKey, KeyAlgorithm
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.wire.csrattrs import csrattrs_of, encode_csrattrs
from certctl.wire.der import DerError
from tests.unit.wire import forge
from tests.unit.wire.openssl import openssl


def only(algorithm: KeyAlgorithm, size: int = 0) -> CertificateProfile:
    key = AllowedKey(algorithm=algorithm, min_size=size)
    return CertificateProfile(id="only", allowed_key_algorithms=(key,), allowed_ekus=())


def test_the_default_profile_asks_for_client_authentication_inside_an_extension_request():
    der = csrattrs_of(DEFAULT_PROFILE)
    extensions = forge.extensions(forge.eku(forge.CLIENT_AUTH))
    assert der[2:] == extensions
    text = openssl("asn1parse", "-inform", "DER", given=der).decode()
    assert "Extension Request" in text
    assert "X509v3 Extended Key Usage" in text
    # RFC 8951 §3.5: never the bare OID of a purpose.
    assert "TLS Web Client Authentication" not in text


def test_the_attributes_of_channel_binding_are_bare_oids():
    der = csrattrs_of(DEFAULT_PROFILE, binding_required=True)
    text = openssl("asn1parse", "-inform", "DER", given=der).decode().splitlines()
    assert "challengePassword" in text[1]
    assert "d=1" in text[1]
    assert "1.2.840.113549.1.9.16.2.58" in text[2]


@pytest.mark.parametrize(
    ("profile", "octets"),
    [
        (only(KeyAlgorithm.ECDSA, 256), "06072a8648ce3d0201310a06082a8648ce3d030107"),
        (only(KeyAlgorithm.ECDSA, 384), "06072a8648ce3d0201310706052b81040022"),
        (only(KeyAlgorithm.ECDSA, 521), "06072a8648ce3d0201310706052b81040023"),
        (only(KeyAlgorithm.RSA, 2048), "06092a864886f70d010101310402020800"),
        (only(KeyAlgorithm.RSA, 4096), "06092a864886f70d010101310402021000"),
        (only(KeyAlgorithm.RSA, 0), "06092a864886f70d010101310402020800"),
    ],
)
def test_a_single_key_type_is_told_with_its_size(profile, octets):
    content = bytes.fromhex(octets)
    assert csrattrs_of(profile)[2:] == bytes((0x30, len(content))) + content


@pytest.mark.parametrize(
    ("algorithm", "octets"),
    [
        (KeyAlgorithm.ED25519, "06032b6570"),
        (KeyAlgorithm.ED448, "06032b6571"),
        (KeyAlgorithm.ML_DSA_44, "0609608648016503040311"),
        (KeyAlgorithm.ML_DSA_65, "0609608648016503040312"),
        (KeyAlgorithm.ML_DSA_87, "0609608648016503040313"),
    ],
)
def test_a_key_type_of_one_size_is_a_bare_oid(algorithm, octets):
    assert csrattrs_of(only(algorithm))[2:].hex() == octets


def test_a_choice_of_keys_and_no_purpose_says_nothing():
    assert csrattrs_of(CertificateProfile(id="free", allowed_ekus=())) == b""
    assert encode_csrattrs() == b""


def test_what_is_no_oid_is_refused():
    with pytest.raises(DerError):
        encode_csrattrs(attributes=("serialNumber",))
