"""Delta CRLs of a real server: found by their URL on all listeners, and what they say."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.pkilint import findings
from tests.harness.published import (
    CRL_SECONDS,
    PKI,
    PlainPort,
    crl_number,
    eventually,
    openssl,
    publishing_settings,
    revoke,
)
from tests.harness.server import (
    PROGRAM,
    RunningServer,
    clean_environment,
    configured_server,
    free_port,
)

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
PATH = "/delta/iss-local.crl"


@pytest.fixture(scope="module")
def port() -> PlainPort:
    return PlainPort(port=free_port())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: PlainPort) -> Iterator[RunningServer]:
    settings = publishing_settings(port, PASSWORD) | {
        "TLS12_PORT": str(free_port()),
        "PUBLIC_URL": "https://pki.example.com",
        "CRL_DELTA_INTERVAL": "10m",
        "CRL_DEBOUNCE": "1s",
    }
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        port.settle()
        port.settle(PATH)
        yield running


@pytest.fixture
def device(server: RunningServer, tmp_path: Path) -> Device:
    device = Device(tmp_path)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    return device


def delta_of(port: PlainPort) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(port.fetch("GET", PATH).body)


def listing(port: PlainPort, serial: int) -> x509.CertificateRevocationList:
    """The delta CRL once this serial number stands on it."""

    def asked() -> x509.CertificateRevocationList | None:
        crl = delta_of(port)
        return crl if crl.get_revoked_certificate_by_serial_number(serial) else None

    return eventually(asked, CRL_SECONDS)


def certctl(
    server: RunningServer, *arguments: str, url: str = ""
) -> subprocess.CompletedProcess[str]:
    other = {"CERTCTL_DATABASE_URL": url} if url else {}
    return subprocess.run(
        [PROGRAM, *arguments],
        env=clean_environment(server.environment | other),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def found(server: RunningServer, url: str = "") -> list[str]:
    """What cert-check says."""
    said = json.loads(certctl(server, "cert-check", "--output=json", url=url).stdout)
    return [each["problem"] for each in said["findings"]]


def test_certificates_and_the_full_crl_say_where_it_is(
    port: PlainPort, device: Device, tmp_path: Path
):
    certificate = device.certificate
    assert certificate is not None
    url = f"http://pki.example.com:{port.port}{PKI}{PATH}"
    for extensions in (certificate.extensions, port.crl().extensions):
        freshest = extensions.get_extension_for_class(x509.FreshestCRL)
        assert not freshest.critical
        assert freshest.value[0].full_name == [x509.UniformResourceIdentifier(url)]
    der = certificate.public_bytes(Encoding.DER)
    assert findings("lint_pkix_cert", der, tmp_path) == ""


def test_it_is_the_same_on_all_listeners(server: RunningServer, port: PlainPort):
    # One worker may have a newer one for a moment.
    eventually(lambda: len(on_all_listeners(server, port)) == 1, CRL_SECONDS)
    head = port.fetch("HEAD", PATH)
    again = port.fetch("GET", PATH, headers={"If-None-Match": head.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert port.fetch("GET", "/delta/iss-local").status == 404
    assert port.fetch("GET", "/crl/iss-local/delta").status == 404


def on_all_listeners(server: RunningServer, port: PlainPort) -> set[bytes]:
    bodies = {fetch(server, "GET", PKI + PATH).body, port.fetch("GET", PATH).body}
    tls12 = server.environment["CERTCTL_TLS12_PORT"]
    command = ["curl", "-sS", "--fail", "--tls-max", "1.2", "--cacert", str(server.ca_file)]
    command += [f"https://localhost:{tls12}{PKI}{PATH}", "-o", "-"]
    bodies.add(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    assert all(each.startswith(b"0") for each in bodies)
    return bodies


def test_openssl_hears_of_a_revocation_before_the_next_full_crl(
    server: RunningServer, port: PlainPort, device: Device, tmp_path: Path
):
    certificate = device.certificate
    assert certificate is not None
    full = port.crl()
    leaf, listed, fresh = (tmp_path / name for name in ("leaf.pem", "full.pem", "delta.pem"))
    leaf.write_bytes(certificate.public_bytes(Encoding.PEM))
    listed.write_bytes(full.public_bytes(Encoding.PEM))

    def judged(delta: x509.CertificateRevocationList) -> str:
        fresh.write_bytes(delta.public_bytes(Encoding.PEM))
        return openssl(
            *("verify", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", server.ca_file),
            *("-CRLfile", listed, "-CRLfile", fresh, leaf),
        )

    assert "leaf.pem: OK" in judged(delta_of(port))
    assert found(server) == []
    serial = certificate.serial_number
    revoke(server, serial, "certificateHold")
    held = listing(port, serial)
    assert "certificate revoked" in judged(held)
    released = certctl(server, "certificates", "release", f"{serial:x}")
    assert released.returncode == 0, released.stderr
    free = eventually(
        lambda: crl if crl_number(crl := delta_of(port)) > crl_number(held) else None, CRL_SECONDS
    )
    assert "leaf.pem: OK" in judged(free)
    assert crl_number(port.crl()) == crl_number(full), "the full one waits for its time"
    assert found(server) == []


def test_cert_check_reads_delta_crls(
    server: RunningServer, port: PlainPort, device: Device, tmp_path: Path
):
    """On a copy, where nobody makes a new one: what was tampered with is found."""
    assert device.certificate is not None
    serial = device.certificate.serial_number
    revoke(server, serial)
    listing(port, serial)
    assert found(server) == []
    copy = tmp_path / "copy.db"
    with sqlite3.connect(server.directory / "data" / "certctl.db") as ours:
        ours.execute("VACUUM INTO ?", (str(copy),))
    ours.close()
    copy.chmod(0o600)
    url = f"sqlite:///{copy}"
    assert found(server, url) == []

    def planted(statement: str, *values: object) -> list[str]:
        with sqlite3.connect(copy) as connection:
            connection.execute(statement, values)
        connection.close()
        return found(server, url)

    number = serial.to_bytes(20, "big")
    problems = planted(
        "UPDATE certificates SET status = 'valid', revoked_us = NULL, revocation_reason = NULL"
        " WHERE serial = ?",
        number,
    )
    assert any("of iss-local/delta, and it is not revoked" in each for each in problems)
    problems = planted("UPDATE crl_parts SET octets = zeroblob(length(octets))")
    assert sum("not those that were signed" in each for each in problems) == 2
