"""CDP and AIA: in the certificates of an issuer that has URLs, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import FileSigner, KeyType
from certctl.wire.pointers import MAX_URL, Pointers
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import order, spki_of
from tests.unit.issuers.test_local_sign import (
    CA_KEYS,
    SUBJECT_KEYS,
    ca_certificate,
    local_ca,
    read,
    sign,
)
from tests.unit.trust.pki import NOW_US

CRL = "http://pki.example/.well-known/pki/crls/iss-local.crl"
OCSP = "http://pki.example:8080/.well-known/pki/ocsp/iss-local"
CA_URL = "http://[2001:db8::1]/.well-known/pki/ca/iss-local.crt"
WANTED = order(spki_der=spki_of(SUBJECT_KEYS["ec"]))

AIA = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(OCSP)
        ),
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(CA_URL)
        ),
    ]
)
CDP = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier(CRL)], None, None, None)]
)


def ca(**urls: Any):
    return local_ca(CA_KEYS[KeyType.P256], pointers=Pointers(**urls))


def extensions(signed):
    return [(each.value, each.critical) for each in read(signed).extensions]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://pki.example/a",
        "HTTP://pki.example/a",
        "ldap://pki.example/a",
        "http://",
        "http:///a",
        "http-//pki.example/a",
        "pki.example/a",
        "http://pki.example/a b",
        "http://pki.example/a\n",
        "http://münchen.example/a",
        "http://pki.example/" + "a" * MAX_URL,
    ],
)
@pytest.mark.parametrize("name", ["crl_url", "ocsp_url", "ca_url"])
def test_what_must_not_stand_in_a_certificate_is_refused(name, url):
    with pytest.raises(ValueError):
        Pointers(**{name: url})


def test_without_urls_nothing_changes():
    plain = local_ca(CA_KEYS[KeyType.P256])
    bare = read(sign(plain, WANTED)).tbs_certificate_bytes
    assert read(sign(ca(), WANTED)).tbs_certificate_bytes == bare
    pointed = read(sign(ca(crl_url=CRL), WANTED)).tbs_certificate_bytes
    assert len(pointed) > len(bare)


def test_the_library_reads_the_urls_where_it_would_write_them():
    bare = extensions(sign(ca(), WANTED))
    all_three = sign(ca(crl_url=CRL, ocsp_url=OCSP, ca_url=CA_URL), WANTED)
    assert extensions(all_three) == [*bare, (CDP, False), (AIA, False)]
    assert CDP.public_bytes() in all_three.der
    assert AIA.public_bytes() in all_three.der
    ocsp_alone = x509.AuthorityInformationAccess(list(AIA)[:1])
    assert extensions(sign(ca(ocsp_url=OCSP), WANTED)) == [*bare, (ocsp_alone, False)]
    ca_alone = x509.AuthorityInformationAccess(list(AIA)[1:])
    assert extensions(sign(ca(ca_url=CA_URL), WANTED)) == [*bare, (ca_alone, False)]
    assert extensions(sign(ca(crl_url=CRL), WANTED)) == [*bare, (CDP, False)]


def test_the_servers_own_certificate_has_them_too():
    signed = ca(crl_url=CRL, ocsp_url=OCSP, ca_url=CA_URL).issue_server_certificate(
        ["est.example"], WANTED.spki_der, now_us=NOW_US
    )
    assert extensions(signed)[-2:] == [(CDP, False), (AIA, False)]


def test_cas_from_files_are_given_them_as_well(tmp_path):
    pointers = Pointers(crl_url=CRL)
    opened = LocalCA.open(
        tmp_path,
        issuer_id="x",
        key_type=KeyType.P256,
        passphrase=None,
        now_us=NOW_US,
        known_fingerprint=None,
        pointers=pointers,
    )
    again = LocalCA.from_files(
        tmp_path / "ca-x.pem",
        tmp_path / "ca-x.key",
        issuer_id="x",
        passphrase=None,
        now_us=NOW_US,
        pointers=pointers,
    )
    for each in (opened, again):
        assert extensions(sign(each, WANTED))[-1] == (CDP, False)


@pytest.mark.parametrize("kind", CA_KEYS)
def test_pkilint_accepts_a_certificate_with_all_of_them(tmp_path, kind):
    certificate = ca_certificate(local_ca(CA_KEYS[kind])).public_bytes(Encoding.DER)
    authority = LocalCA(
        issuer_id="x",
        signer=FileSigner(CA_KEYS[kind]),
        chain=[certificate],
        pointers=Pointers(crl_url=CRL, ocsp_url=OCSP, ca_url=CA_URL),
    )
    der = sign(authority, WANTED).der
    assert findings("lint_pkix_cert", der, tmp_path) == ""
    broken = der.replace(b"http://pki.example/", b"http//:pki.example/")
    assert "invalid_uri" in findings("lint_pkix_cert", broken, tmp_path)
