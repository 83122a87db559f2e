"""The guide's recipes for WiFi and IoT, end to end with curl and openssl.

Factory certificate or password → first certificate → renewal with it → refusal once it is
revoked. The device's side is ``recipes/*.sh``, the rules are those of ``docs/examples``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certctl.domain.audit import AuditAction, AuditEvent
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

RECIPES = Path(__file__).with_name("recipes")
RULES = Path(__file__).parents[2] / "docs" / "examples" / "certificate-profiles"
FLEET_PASSWORD = "fleet-password-0001"
CURL_REFUSED = 22
WAIT_SECONDS = 15.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, ForeignCA]]:
    directory = tmp_path_factory.mktemp("site")
    factory = ForeignCA("wifi-bootstrap-ca")
    bundle = factory.certificate.public_bytes(Encoding.PEM)
    (directory / "bundle.pem").write_bytes(bundle)
    settings = {
        "CERTIFICATE_PROFILES_DIR": str(RULES),
        "EST_REQUIRE_AUTH": "true",
        "EST_PROFILES": "wifi,iot",
        "EST_PROFILE_WIFI_ISSUER_ID": "iss-local",
        "EST_PROFILE_WIFI_PROFILE_ID": "cp-wifi-eap-tls",
        "EST_PROFILE_WIFI_MTLS_ENABLED": "true",
        "EST_PROFILE_WIFI_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(directory / "bundle.pem"),
        "EST_PROFILE_WIFI_ALLOWED_AUTH_MODES": "mtls",
        "EST_PROFILE_WIFI_RATE_LIMIT_PER_PRINCIPAL_24H": "3",
        "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
        "EST_PROFILE_IOT_PROFILE_ID": "cp-iot-sensors",
        "EST_PROFILE_IOT_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_IOT_ENROLLMENT_PASSWORD": FLEET_PASSWORD,
        "EST_PROFILE_IOT_MTLS_OWN_ONLY": "true",
    }
    with configured_server(directory, settings) as server:
        yield server, factory


def recipe(
    name: str, step: str, server: RunningServer, folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", RECIPES / f"{name}.sh", step, server.url, server.ca_file],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def revoke(server: RunningServer, certificate: x509.Certificate) -> None:
    done = subprocess.run(
        [PROGRAM, "certificates", "revoke", f"{certificate.serial_number:x}"],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def last_refusal(server: RunningServer) -> tuple[str, str]:
    """Profile and reason of the latest refused certificate; refusals are on record soon."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        records = server.records()
        events = [each.event for each in records.events(limit=1_000)]
        records.close()
        refusals = [each for each in events if each.action is AuditAction.AUTH_FAILED_MTLS]
        if refusals and seen(refusals[-1]):
            return refusals[-1].profile, str(refusals[-1].details["reason"])
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


_seen: set[str] = set()


def seen(event: AuditEvent) -> bool:
    """Whether it is a new one since the last look."""
    fresh = event.request_id not in _seen
    _seen.add(event.request_id)
    return fresh


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    extension = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE)
    assert isinstance(extension.value, x509.ExtendedKeyUsage)
    return list(extension.value)


def test_wifi_from_factory_certificate_to_revocation(
    site: tuple[RunningServer, ForeignCA], tmp_path: Path
):
    server, factory = site
    bootstrap = factory.equip(Device(tmp_path, "laptop-bootstrap"))
    shutil.copy(bootstrap.certificate_file, tmp_path / "bootstrap.crt")
    shutil.copy(bootstrap.key_file, tmp_path / "bootstrap.key")

    enrolled = recipe("wifi", "enroll", server, tmp_path)
    assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
    first = load(tmp_path / "eap.crt")
    assert first.subject.rfc4514_string() == "2.5.4.5=ABC123,CN=laptop-001"
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages(first)
    assert ExtendedKeyUsageOID.SERVER_AUTH not in usages(first)
    lifetime = first.not_valid_after_utc - first.not_valid_before_utc
    assert lifetime >= timedelta(days=365)

    renewed = recipe("wifi", "renew", server, tmp_path)
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    second = load(tmp_path / "eap.crt")
    assert second.serial_number != first.serial_number
    assert second.subject == first.subject

    revoke(server, second)
    refused = recipe("wifi", "renew", server, tmp_path)
    assert refused.returncode == CURL_REFUSED
    assert last_refusal(server) == ("wifi", "revoked")
    assert load(tmp_path / "eap.crt") == second, "a refusal is not written over a certificate"


def test_the_factory_certificate_does_not_renew_what_is_not_its_own(
    site: tuple[RunningServer, ForeignCA], tmp_path: Path
):
    server, factory = site
    bootstrap = factory.equip(Device(tmp_path, "eap"))
    assert bootstrap.key_file == tmp_path / "eap.key"
    before = bootstrap.certificate_file.read_bytes()
    refused = recipe("wifi", "renew", server, tmp_path)
    assert refused.returncode == CURL_REFUSED
    assert (tmp_path / "eap.crt").read_bytes() == before
    assert "subject" in (tmp_path / "answer").read_text()


def test_iot_from_password_to_revocation(site: tuple[RunningServer, ForeignCA], tmp_path: Path):
    server, _ = site
    (tmp_path / "bootstrap-password").write_text(FLEET_PASSWORD)

    enrolled = recipe("iot", "enroll", server, tmp_path)
    assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
    assert not (tmp_path / "bootstrap-password").exists()
    first = load(tmp_path / "device.crt")
    lifetime = first.not_valid_after_utc - first.not_valid_before_utc
    assert timedelta(days=80) <= lifetime <= timedelta(days=91)

    renewed = recipe("iot", "renew", server, tmp_path)
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    second = load(tmp_path / "device.crt")
    assert second.subject == first.subject
    assert second.public_key() != first.public_key()

    revoke(server, second)
    refused = recipe("iot", "renew", server, tmp_path)
    assert refused.returncode == CURL_REFUSED
    assert last_refusal(server) == ("iot", "revoked")
    assert load(tmp_path / "device.crt") == second


def test_a_sensor_of_another_domain_is_refused(
    site: tuple[RunningServer, ForeignCA], tmp_path: Path
):
    server, _ = site
    (tmp_path / "bootstrap-password").write_text(FLEET_PASSWORD)
    script = (RECIPES / "iot.sh").read_text().replace("iot.example", "evil.example")
    strayed = tmp_path / "strayed.sh"
    strayed.write_text(script)
    refused = subprocess.run(
        ["bash", strayed, "enroll", server.url, server.ca_file],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == CURL_REFUSED
    assert "(san)" in (tmp_path / "answer").read_text()
    assert not (tmp_path / "device.crt").exists()
