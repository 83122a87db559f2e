"""strongSwan's pki tool (5.9.8 in Debian 12), at the empty path ID.

Over TLS 1.3, or 1.2 to a proxy. It knows no label before 5.9.11, reads only unfolded
base64 and shows its password at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.profiles import AuthMode, Operation
from tests.clients.books import granted, refused, state_of
from tests.clients.identities import load, own_device, password, strange_device
from tests.clients.tools import Ran, need, run
from tests.clients.ways import every_way
from tests.harness.device import Device, name
from tests.harness.server import RunningServer

pytestmark = [pytest.mark.clients, every_way]

PLUGINS = "/usr/lib/ipsec/plugins/libstrongswan-openssl.so"
CONFIGURATION = "pki {{\n    tls {{\n        version_max = {}\n    }}\n}}\n"


@pytest.fixture(autouse=True)
def programs() -> None:
    need("pki", package="strongswan-pki")
    need(PLUGINS, package="libstrongswan-standard-plugins")


def pki(
    server: RunningServer,
    directory: Path,
    *words: str | Path,
    given: bytes = b"",
    trusted: Path | None = None,
    newest: str = "1.3",
) -> Ran:
    configuration = directory / "strongswan.conf"
    configuration.write_text(CONFIGURATION.format(newest))
    return run(
        ["pki", *words, "--url", server.url, "--cacert", trusted or server.ca_file],
        directory=directory,
        environment={"STRONGSWAN_CONF": str(configuration)},
        given=given,
    )


def request(directory: Path, common_name: str) -> tuple[Path, bytes]:
    """Key file and PKCS#10 (DER) as strongSwan makes them."""
    key_file = directory / f"{common_name}.key"
    made = run(
        ["pki", "--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem"],
        directory=directory,
    )
    assert made.code == 0, made.said
    key_file.write_bytes(made.output)
    signed = run(
        ["pki", "--req", "--type", "priv", "--in", key_file, "--dn", f"CN={common_name}"],
        directory=directory,
    )
    assert signed.code == 0, signed.said
    return key_file, signed.output


def issued(ran: Ran) -> x509.Certificate:
    assert ran.code == 0, ran.said
    return x509.load_pem_x509_certificate(ran.output)


def enroll(
    server: RunningServer, directory: Path, csr: bytes, userpass: str, *, newest: str = "1.3"
) -> Ran:
    return pki(
        server, directory, "--est", "--userpass", userpass, "--outform", "pem", given=csr,
        newest=newest,
    )  # fmt: skip


def renew(
    server: RunningServer,
    directory: Path,
    csr: bytes,
    *,
    certificate: Path,
    key: Path,
    newest: str = "1.3",
) -> Ran:
    """With a certificate, pki calls simplereenroll."""
    return pki(
        server, directory, "--est", "--cert", certificate, "--key", key, "--outform", "pem",
        given=csr, newest=newest,
    )  # fmt: skip


def test_cacerts_are_the_servers(server, tmp_path):
    ran = pki(server, tmp_path, "--estca", "--caout", "ca.pem", "--outform", "pem")
    assert ran.code == 0, ran.said
    assert load(tmp_path / "ca.pem") == load(server.ca_file)


def test_enroll_with_basic_and_renew_with_the_certificate(server, tmp_path):
    key_file, csr = request(tmp_path, "strongswan-1")
    with granted(server, Operation.SIMPLEENROLL, AuthMode.BASIC):
        first = issued(enroll(server, tmp_path, csr, f"strongswan-1:{password(server)}"))
    assert first.subject == name("strongswan-1")
    private_key = load_pem_private_key(key_file.read_bytes(), None)
    assert first.public_key() == private_key.public_key()
    state = state_of(server, first)
    assert state is not None
    assert state.profile == "demo"

    certificate_file = tmp_path / "first.pem"
    certificate_file.write_bytes(first.public_bytes(Encoding.PEM))
    (tmp_path / "new").mkdir()
    new_key_file, new_csr = request(tmp_path / "new", "strongswan-1")
    with granted(server, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        second = issued(
            renew(server, tmp_path, new_csr, certificate=certificate_file, key=key_file)
        )
    assert second.subject == first.subject
    new_key = load_pem_private_key(new_key_file.read_bytes(), None)
    assert second.public_key() == new_key.public_key()


def test_wrong_password_is_refused(server, tmp_path):
    _, csr = request(tmp_path, "guesser")
    with refused(
        server,
        AuditAction.AUTH_FAILED_BASIC,
        counter=Counter.AUTH_FAILED_BASIC,
        reason="wrong_password",
    ):
        ran = enroll(server, tmp_path, csr, f"guesser:{password(server)}x")
    assert ran.code != 0
    assert ran.output == b""
    assert "401" in ran.said


def test_certificate_of_another_ca_is_refused(server, tmp_path):
    stranger, _ = strange_device(tmp_path, "stranger")
    _, csr = request(tmp_path, "stranger-new")
    with refused(
        server,
        AuditAction.AUTH_FAILED_MTLS,
        counter=Counter.AUTH_FAILED_MTLS,
        reason="untrusted",
    ):
        ran = renew(
            server, tmp_path, csr, certificate=stranger.certificate_file, key=stranger.key_file
        )
    assert ran.code != 0
    assert ran.output == b""
    assert "401" in ran.said


def test_another_devices_certificate_is_refused(server, tmp_path):
    thief: Device = own_device(server, tmp_path, "thief")
    _, csr = request(tmp_path, "victim")
    with refused(
        server,
        AuditAction.SIMPLE_REENROLL_FAILED,
        counter=Counter.CSR_POLICY_VIOLATION,
        reason="subject_changed",
    ):
        ran = renew(server, tmp_path, csr, certificate=thief.certificate_file, key=thief.key_file)
    assert ran.code != 0
    assert ran.output == b""
    assert "403" in ran.said


def test_server_of_another_ca_is_not_talked_to(server, tmp_path):
    # Proves that the good answers above came over a connection that pki had checked.
    _, chain = strange_device(tmp_path, "stranger")
    ran = pki(server, tmp_path, "--estca", "--caout", "ca.pem", trusted=chain)
    assert ran.code != 0
    assert "sending fatal TLS alert 'certificate unknown'" in ran.said
    assert not (tmp_path / "ca.pem").exists()
