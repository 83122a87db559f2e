"""The local CA as a stranger meets it: what is issued, sub-CA mode, an encrypted key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from tests.harness.device import Device, certificates_of
from tests.harness.http import fetch
from tests.harness.server import DidNotStart, RunningServer, configured_server

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
ENROLL = "/.well-known/est/simpleenroll"


def openssl(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        ["openssl", *arguments], cwd=cwd, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_refusal(server: RunningServer) -> str:
    with pytest.raises(DidNotStart) as refused:
        server.start()
    text = str(refused.value)
    assert "exit code 2" in text
    return text


def test_names_of_every_kind_reach_the_certificate(tmp_path: Path) -> None:
    subject = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "CH")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "Wärmepumpe 7"),
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, "A-77"),
                ]
            ),
        ]
    )
    sans = [
        x509.UniformResourceIdentifier("urn:dev:ops:42"),
        x509.DNSName("pump.example.com"),
        x509.OtherName(UPN, b"\x0c\x10pump@example.com"),
        x509.RFC822Name("pump@example.com"),
    ]
    device = Device(tmp_path, "pump", san=sans)
    with configured_server(tmp_path, {}) as server:
        answer = device.enroll(server, ENROLL, body=device.body(device.csr(subject)))
        assert answer.status == 200, answer.text
        [certificate] = certificates_of(answer.body)
        assert certificate.subject.public_bytes() == subject.public_bytes()
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
        assert list(found.value) == sans  # type: ignore[call-overload]
        bits = device.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(bits)
        identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        assert identifier.value.digest == digest.finalize()[:20]  # RFC 7093 §2 method 1
        openssl(
            "verify",
            "-x509_strict",
            "-CAfile",
            str(server.ca_file),
            str(device.certificate_file),
            cwd=tmp_path,
        )


def test_below_an_offline_root(tmp_path: Path) -> None:
    make_sub_ca(tmp_path)
    settings = {
        "CA_CERT_PATH": str(tmp_path / "chain.pem"),
        "CA_KEY_PATH": str(tmp_path / "sub.key"),
    }
    server = configured_server(tmp_path, settings)
    server.ca_file = tmp_path / "root.pem"
    with server:
        chain = certificates_of(fetch(server, "GET", "/.well-known/est/cacerts").body)
        assert [c.subject.rfc4514_string() for c in chain] == ["CN=Issuing", "CN=Offline Root"]
        device = Device(tmp_path, "meter-1")
        assert device.enroll(server, ENROLL).status == 200
        openssl(
            "verify",
            "-x509_strict",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "sub.pem",
            str(device.certificate_file),
            cwd=tmp_path,
        )
        assert not list((tmp_path / "data").glob("ca-*")), "no CA of its own beside the given one"


def test_a_sub_ca_with_somebody_elses_key_is_refused(tmp_path: Path) -> None:
    make_sub_ca(tmp_path)
    openssl(
        "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key", cwd=tmp_path
    )
    (tmp_path / "other.key").chmod(0o600)
    settings = {
        "CA_CERT_PATH": str(tmp_path / "chain.pem"),
        "CA_KEY_PATH": str(tmp_path / "other.key"),
    }
    text = only_refusal(configured_server(tmp_path, settings))
    assert "chain.pem" in text


def test_an_end_entity_certificate_is_no_ca(tmp_path: Path) -> None:
    make_sub_ca(tmp_path, ca="FALSE")
    settings = {
        "CA_CERT_PATH": str(tmp_path / "chain.pem"),
        "CA_KEY_PATH": str(tmp_path / "sub.key"),
    }
    text = only_refusal(configured_server(tmp_path, settings))
    assert "CA" in text
    assert "chain.pem" in text


def test_an_encrypted_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)
    settings = {"ISSUER_ISS_LOCAL_CA_KEY_PASSPHRASE_FILE": str(passphrase)}
    server = configured_server(tmp_path, settings)
    with server:
        first = fetch(server, "GET", "/.well-known/est/cacerts").body
    key_file = tmp_path / "data" / "ca-iss-local.key"
    assert b"ENCRYPTED PRIVATE KEY" in key_file.read_bytes()
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(key_file.read_bytes(), None)

    with server:
        assert fetch(server, "GET", "/.well-known/est/cacerts").body == first

    passphrase.write_text("wrong horse\n")
    text = only_refusal(server)
    assert "ca-iss-local.key" in text
    assert "horse" not in text
    passphrase.write_text("correct horse\n")
    with server:
        assert fetch(server, "GET", "/.well-known/est/cacerts").body == first


def test_a_lost_ca_key_is_never_replaced(tmp_path: Path) -> None:
    server = configured_server(tmp_path, {})
    with server:
        pass
    (tmp_path / "data" / "ca-iss-local.key").unlink()
    (tmp_path / "data" / "ca-iss-local.pem").unlink()
    text = only_refusal(server)
    assert "ca-iss-local" in text
    assert not (tmp_path / "data" / "ca-iss-local.key").exists()


def make_sub_ca(directory: Path, *, ca: str = "TRUE") -> None:
    """An offline root and a CA below it: root.pem, sub.pem, sub.key, chain.pem."""
    openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "root.key",
        "-out",
        "root.pem",
        "-subj",
        "/CN=Offline Root",
        "-days",
        "3650",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
        cwd=directory,
    )
    openssl(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "sub.key",
        "-out",
        "sub.csr",
        "-subj",
        "/CN=Issuing",
        cwd=directory,
    )
    usage = "keyCertSign,cRLSign,digitalSignature" if ca == "TRUE" else "digitalSignature"
    (directory / "sub.ext").write_text(
        f"basicConstraints=critical,CA:{ca}\nkeyUsage=critical,{usage}\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl(
        "x509",
        "-req",
        "-in",
        "sub.csr",
        "-CA",
        "root.pem",
        "-CAkey",
        "root.key",
        "-CAcreateserial",
        "-days",
        "1000",
        "-extfile",
        "sub.ext",
        "-out",
        "sub.pem",
        cwd=directory,
    )
    (directory / "sub.key").chmod(0o600)
    chain = (directory / "sub.pem").read_text() + (directory / "root.pem").read_text()
    (directory / "chain.pem").write_text(chain)


def test_the_ca_signs_with_other_key_types(tmp_path: Path) -> None:
    for key_type, expected in (("RSA-3072", "RSA"), ("P-384", "EC"), ("Ed25519", "Ed25519")):
        place = tmp_path / key_type
        place.mkdir()
        with configured_server(place, {"ISSUER_ISS_LOCAL_CA_KEY_TYPE": key_type}) as server:
            device = Device(place, "device")
            assert device.enroll(server, ENROLL).status == 200
            ca = x509.load_pem_x509_certificate(server.ca_file.read_bytes())
            assert expected in type(ca.public_key()).__name__
            assert device.certificate is not None
            device.certificate.verify_directly_issued_by(ca)
            assert isinstance(device.certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_lost_database_is_never_replaced_beside_a_ca(tmp_path: Path) -> None:
    server = configured_server(tmp_path, {})
    with server:
        assert Device(tmp_path, "on-record").enroll(server, ENROLL).status == 200
    kept = server.database.rename(tmp_path / "kept.db")
    text = only_refusal(server)
    assert str(server.database) in text
    assert "backup" in text
    assert not server.database.exists()
    kept.rename(server.database)
    with server:
        assert any(c.subject == "CN=on-record" for c in server.records().certificates())
