"""Files that settings name: bundles, the listener's pair, CA files; bad ones refuse."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certctl.settings.files import FileFault, read_bundle
from tests.unit.settings.rig import NOW_US, Files, Load, Refuse, profile

BUNDLE = "MTLS_CLIENT_CA_TRUST_BUNDLE_PATH"
FOUND = Path(__file__).parents[2] / "fuzz" / "found"
BAD_PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def with_bundle(path: str) -> dict[str, str]:
    return profile(MTLS_ENABLED="true", **{BUNDLE: path})


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([], "it is empty"),
        ([b"\n  \n"], "it is empty"),
        ([b"this is no PEM\n"], "no certificate is in it"),
        ([BAD_PEM], "certificate 1 in it does not parse"),
        (["good", BAD_PEM], "certificate 2 in it does not parse"),
        (["good", b"-----BEGIN CERTIFICATE-----\nMIIB"], "something in it is cut off"),
        (["expired"], "certificate 1 in it has expired on 2025-05-31"),
        (["good", "expired"], "certificate 2 in it has expired on 2025-05-31"),
        (["good", "other crl"], "the CRL of CN=ca in it is not signed by that CA"),
        (["good", "key"], "it holds a private key"),
    ],
)
def test_a_bad_bundle_is_refused_with_its_path_id(
    refuse: Refuse, load: Load, files: Files, parts: list[bytes | str], problem: str
) -> None:
    made = {
        "good": files.certificate_pem(),
        "expired": files.certificate_pem(days=-1),
        "other crl": files.crl_pem(ec.generate_private_key(ec.SECP256R1())),
        "key": files.key_pem(),
    }
    octets = b"".join(made[part] if isinstance(part, str) else part for part in parts)
    path = files.write("bundle.pem", octets)
    (fault,) = refuse(with_bundle(path))
    assert fault.variable == f"CERTCTL_EST_PROFILE_CORP_{BUNDLE}"
    assert fault.problem.startswith(f'profile "corp": the bundle cannot be used: {problem}')
    assert fault.came == f'"{path}"'
    assert load(with_bundle(path), check_files=False).est.profiles


@pytest.mark.parametrize("name", ["missing.pem", "."])
def test_a_bundle_that_cannot_be_read_is_refused(refuse: Refuse, name: str) -> None:
    (fault,) = refuse(with_bundle(name))
    assert "the bundle cannot be used: it " in fault.problem


def test_a_bundle_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FileFault, match="longer than"):
        read_bundle(path, now_us=NOW_US)


def test_a_good_bundle_is_accepted_and_its_path_absolute(load: Load, files: Files) -> None:
    files.write("bundle.pem", b"Factory CA\n" + files.certificate_pem() * 2)
    (entry,) = load(with_bundle("bundle.pem")).est.profiles
    assert entry.trust_bundle_path == files.directory / "bundle.pem"
    assert entry.profile.mtls
    assert entry.profile.basic
    expired_later = read_bundle(files.directory / "bundle.pem", now_us=NOW_US)
    assert len(expired_later.certificates) == 2


def tls(certificate: str, key: str) -> dict[str, str]:
    return {"SERVER_TLS_CERT_PATH": certificate, "SERVER_TLS_KEY_PATH": key}


@pytest.mark.parametrize(
    ("case", "variable", "problem"),
    [
        ("other key", "KEY", "it does not belong to the certificate"),
        ("encrypted key", "KEY", "it is encrypted with a passphrase"),
        ("Ed25519", "KEY", "it is neither an EC nor an RSA key"),
        ("short RSA", "KEY", "RSA of 1024 bits"),
        ("no key", "KEY", "it is no private key in PEM"),
        ("missing key", "KEY", "it cannot be read: No such file or directory"),
        ("no certificate", "CERT", "no certificate is in it"),
        ("bad certificate", "CERT", "a certificate in it does not parse"),
        ("version 18", "CERT", "a certificate in it does not parse"),
        ("missing certificate", "CERT", "it cannot be read: No such file or directory"),
    ],
)
def test_a_bad_tls_pair_is_refused(
    refuse: Refuse, files: Files, case: str, variable: str, problem: str
) -> None:
    certificate, key = files.certificate_pem(), files.key_pem()
    match case:
        case "other key":
            key = files.key_pem(ec.generate_private_key(ec.SECP256R1()))
        case "encrypted key":
            key = files.key_pem(passphrase=b"open")
        case "Ed25519":
            other = ed25519.Ed25519PrivateKey.generate()
            certificate, key = files.certificate_pem(key=other), files.key_pem(other)
        case "short RSA":
            short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - must be refused
            certificate, key = files.certificate_pem(key=short), files.key_pem(short)
        case "no key":
            key = certificate
        case "no certificate":
            certificate = key
        case "bad certificate":
            certificate = BAD_PEM
        case "version 18":
            der = (FOUND / "presented" / "version-18").read_bytes()
            certificate = ssl.DER_cert_to_PEM_cert(der).encode()
    pair = tls(files.write("c.pem", certificate), files.write("k.pem", key))
    if case.startswith("missing"):
        Path(pair[f"SERVER_TLS_{variable}_PATH"]).unlink()
    (fault,) = refuse(pair)
    assert fault.variable == f"CERTCTL_SERVER_TLS_{variable}_PATH"
    assert fault.problem.endswith(f"cannot be used: {problem}")
    assert key.decode().splitlines()[1] not in repr(fault)


def test_both_files_of_a_bad_pair_are_told(refuse: Refuse) -> None:
    assert len(refuse(tls("c.pem", "k.pem"))) == 2


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_good_tls_pair_is_accepted(load: Load, files: Files, kind: str) -> None:
    key = files.key if kind == "EC" else rsa.generate_private_key(65537, 2048)
    chain = files.certificate_pem(key=key) + files.certificate_pem(cn="root")
    files.write("c.pem", chain)
    settings = load(tls("c.pem", files.write("k.pem", files.key_pem(key))))
    assert settings.server.tls_cert_path == files.directory / "c.pem"
    assert settings.server.tls_key_path == files.directory / "k.pem"
    assert settings.warnings == ()


def ca(certificate: str, key: str) -> dict[str, str]:
    return {"CA_CERT_PATH": certificate, "ISSUER_ISS_LOCAL_CA_KEY_PATH": key}


def test_a_ca_key_that_everybody_can_read_is_refused(refuse: Refuse, files: Files) -> None:
    certificate = files.write("ca.pem", files.certificate_pem())
    (fault,) = refuse(ca(certificate, files.write("ca.key", files.key_pem(), mode=0o604)))
    assert fault.variable == "CERTCTL_ISSUER_ISS_LOCAL_CA_KEY_PATH"
    assert "every user of this machine can read or change it" in fault.problem


def test_missing_ca_files_are_refused(refuse: Refuse) -> None:
    assert [fault.variable for fault in refuse(ca("ca.pem", "ca.key"))] == [
        "CERTCTL_ISSUER_ISS_LOCAL_CA_KEY_PATH",
        "CERTCTL_CA_CERT_PATH",
    ]


def test_a_ca_key_is_not_read_here(load: Load, files: Files) -> None:
    certificate = files.write("ca.pem", files.certificate_pem())
    (issuer,) = load(ca(certificate, files.write("ca.key", b"not even a key"))).issuers
    assert issuer.ca_cert_path == files.directory / "ca.pem"
    assert issuer.ca_key_path == files.directory / "ca.key"


def test_with_a_hard_policy_a_ca_without_current_crl_is_warned_about(
    load: Load, files: Files
) -> None:
    hard = {"EST_PROFILE_CORP_MTLS_CRL_POLICY": "hard"}
    bare = with_bundle(files.write("bare.pem", files.certificate_pem()))
    (warning,) = [each for each in load(bare | hard).warnings if "CRL" in each.variable]
    assert 'no current CRL of "CN=ca"' in warning.problem
    both = files.write("both.pem", files.certificate_pem() + files.crl_pem())
    settings = load(with_bundle(both) | hard)
    assert not [each for each in settings.warnings if "CRL" in each.variable]
    assert settings.est.profiles[0].crl_required
    assert not load(bare).est.profiles[0].crl_required


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("nothing", "it is empty"),
        ("device", "certificate 1 lacks the usage id-kp-cmcRA"),
        ("any", "certificate 1 lacks the usage id-kp-cmcRA"),
    ],
)
def test_a_list_of_registration_authorities_holds_nothing_else(
    refuse: Refuse, files: Files, content: str, problem: str
) -> None:
    made = {
        "nothing": b"",
        "device": files.certificate_pem(),
        "any": files.certificate_pem(usage="2.5.29.37.0"),
    }
    path = files.write("ra.pem", made[content])
    (fault,) = refuse(profile(MTLS_OWN_ONLY="true", RA_CERTIFICATES=path))
    assert f"the registration authorities cannot be used: {problem}" in fault.problem


def test_a_list_of_registration_authorities_is_kept_as_an_absolute_path(
    load: Load, files: Files
) -> None:
    files.write("ra.pem", files.certificate_pem(usage="1.3.6.1.5.5.7.3.28"))
    (entry,) = load(profile(MTLS_OWN_ONLY="true", RA_CERTIFICATES="ra.pem")).est.profiles
    assert entry.ra_certificates_path == files.directory / "ra.pem"
