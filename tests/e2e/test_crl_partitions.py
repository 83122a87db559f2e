"""Partitioned CRLs of a real server: what certificates name, and what is found there."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.api import ApiClient, first_key
from tests.harness.commands import run_command
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
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
PARTITIONS = (1, 2)
WHOLE = "/crls/iss-local.crl"


def path_of(partition: int) -> str:
    return f"/crls/iss-local/{partition}.crl"


def settings(port: PlainPort, partitions: int) -> dict[str, str]:
    return publishing_settings(port, PASSWORD) | {
        "TLS12_PORT": str(free_port()),
        "PUBLIC_URL": "https://pki.example.com",
        "CRL_DEBOUNCE": "1s",
        "CRL_PARTITIONS": str(partitions),
    }


@pytest.fixture(scope="module")
def port() -> PlainPort:
    return PlainPort(port=free_port())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: PlainPort) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("server")
    with configured_server(directory, settings(port, len(PARTITIONS))) as running:
        for path in ("/crl/iss-local", *map(path_of, PARTITIONS)):
            port.settle(path)
        yield running


@pytest.fixture
def device(server: RunningServer, tmp_path: Path) -> Device:
    return enrolled(server, tmp_path)


def enrolled(server: RunningServer, directory: Path) -> Device:
    device = Device(directory)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    return device


def cdp(certificate: x509.Certificate | None) -> str:
    assert certificate is not None
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    ((name,),) = [point.full_name for point in points]
    return str(name.value)


def partition_of(device: Device, port: PlainPort) -> int:
    """Read out of the certificate as its reader does."""
    for number in PARTITIONS:
        if cdp(device.certificate) == f"http://pki.example.com:{port.port}{PKI}{path_of(number)}":
            return number
    raise AssertionError(cdp(device.certificate))


def listed(port: PlainPort, path: str) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(port.fetch("GET", path).body)


def listing(port: PlainPort, path: str, serial: int) -> x509.CertificateRevocationList:
    """The CRL at a path once this serial number stands on it."""

    def asked() -> x509.CertificateRevocationList | None:
        crl = listed(port, path)
        return crl if crl.get_revoked_certificate_by_serial_number(serial) else None

    return eventually(asked, CRL_SECONDS)


def problems(server: RunningServer, database: Path | None = None) -> list[str]:
    """What cert-check says."""
    other = {"DATABASE_URL": f"sqlite:///{database}"} if database else None
    done = run_command(server, "cert-check", "--output=json", settings=other)
    return [each["problem"] for each in json.loads(done.stdout)["findings"]]


def test_the_crl_of_a_partition_is_on_all_listeners_in_all_forms(
    server: RunningServer, port: PlainPort
):
    for path in (path_of(1), "/crl/iss-local/1"):
        # One worker may have a newer one for a moment.
        eventually(partial(is_the_same, server, port, path), CRL_SECONDS)
    head = port.fetch("HEAD", path_of(1))
    assert head.headers["Content-Type"] == "application/pkix-crl"
    assert head.headers["Cache-Control"] == "public, max-age=60"
    again = port.fetch("GET", path_of(1), headers={"If-None-Match": head.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    pem = port.fetch("GET", path_of(1) + "?format=pem")
    assert x509.load_pem_x509_crl(pem.body) == listed(port, path_of(1))
    assert port.fetch("POST", path_of(1)).status == 405


def is_the_same(server: RunningServer, port: PlainPort, path: str) -> bool:
    return len(on_all_listeners(server, port, path)) == 1


def on_all_listeners(server: RunningServer, port: PlainPort, path: str) -> set[bytes]:
    bodies = {fetch(server, "GET", PKI + path).body, port.fetch("GET", path).body}
    tls12 = server.environment["CERTCTL_TLS12_PORT"]
    command = ["curl", "-sS", "--fail", "--tls-max", "1.2", "--cacert", str(server.ca_file)]
    command += [f"https://localhost:{tls12}{PKI}{path}", "-o", "-"]
    bodies.add(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    assert all(each.startswith(b"0") for each in bodies)
    return bodies


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "path",
    [*map(path_of, (0, 3, 999, 10**30)), "/crl/iss-local/3", "/crls/iss-local/01.crl"],
)
def test_there_is_no_other_partition(port: PlainPort, path: str):
    answer = port.fetch("GET", path)
    assert answer.status == 404
    assert b"The CRL has no such partition." in answer.body
    assert f"{PKI}/crl".encode() in answer.body


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "path", ["/crls/other/1.crl", "/crls/iss-local/x.crl", "/crls/iss-local/-1.crl", "/crls/1.crl"]
)
def test_nor_one_of_an_issuer_that_is_none(port: PlainPort, path: str):
    answer = port.fetch("GET", path)
    assert answer.status == 404
    assert b"Nothing is here." in answer.body


def test_the_api_tells_how_many_there_are(server: RunningServer):
    api = ApiClient(server, first_key(server))
    assert api.get("/issuers/iss-local")["crl"]["partitions"] == len(PARTITIONS)


def test_openssl_and_cert_check_follow_a_revocation(
    server: RunningServer, port: PlainPort, device: Device, tmp_path: Path
):
    certificate = device.certificate
    assert certificate is not None
    own = partition_of(device, port)
    (other,) = set(PARTITIONS) - {own}
    der = certificate.public_bytes(Encoding.DER)
    assert findings("lint_pkix_cert", der, tmp_path) == ""
    leaf, crl_file = tmp_path / "leaf.pem", tmp_path / "crl.pem"
    leaf.write_bytes(certificate.public_bytes(Encoding.PEM))

    def judged(crl: x509.CertificateRevocationList) -> str:
        crl_file.write_bytes(crl.public_bytes(Encoding.PEM))
        return openssl(
            *("verify", "-crl_check", "-CAfile", server.ca_file),
            *("-CRLfile", crl_file, leaf),
        )

    assert "leaf.pem: OK" in judged(listed(port, path_of(own)))
    assert problems(server) == []
    serial = certificate.serial_number
    revoke(server, serial, "keyCompromise")
    now_listing = listing(port, path_of(own), serial)
    assert "certificate revoked" in judged(now_listing)
    assert "certificate revoked" in judged(listing(port, WHOLE, serial))
    said = judged(listed(port, path_of(other)))
    assert "leaf.pem: OK" not in said
    assert "different CRL scope" in said
    der = now_listing.public_bytes(Encoding.DER)
    assert findings("lint_crl", der, tmp_path, "-t", "CRL", "-p", "PKIX") == ""
    assert problems(server) == []


def test_cert_check_holds_records_and_lists_against_each_other(
    server: RunningServer, port: PlainPort, device: Device, tmp_path: Path
):
    """On copies, where nobody makes a new one: what was tampered with is found."""
    assert device.certificate is not None
    own = partition_of(device, port)
    (other,) = set(PARTITIONS) - {own}
    number = device.certificate.serial_number.to_bytes(20, "big")
    gone = enrolled(server, tmp_path / "gone")
    assert gone.certificate is not None
    revoke(server, gone.certificate.serial_number)
    for path in (path_of(partition_of(gone, port)), "/crl/iss-local"):
        listing(port, path, gone.certificate.serial_number)

    def planted(statement: str, *values: object) -> list[str]:
        copy = tmp_path / "copy.db"
        copy.unlink(missing_ok=True)
        with sqlite3.connect(server.directory / "data" / "certctl.db") as ours:
            ours.execute("VACUUM INTO ?", (str(copy),))
        ours.close()
        copy.chmod(0o600)
        with sqlite3.connect(copy) as connection:
            connection.execute(statement, values)
        connection.close()
        return problems(server, copy)

    assert planted("SELECT 1") == []
    for wrong in (other, None):
        (moved,) = planted(
            "UPDATE certificates SET crl_partition = ? WHERE serial = ?", wrong, number
        )
        assert moved == f"on record in CRL partition {wrong or 'none'}, and it names another"
    long_ago = planted(
        "UPDATE certificates SET status = 'revoked', revoked_us = issued_us - 60000000,"
        " revocation_reason = 'superseded' WHERE serial = ?",
        number,
    )
    for scope in ("iss-local", f"iss-local/{own}"):
        assert any(each.endswith(f"of {scope}") and "not on CRL" in each for each in long_ago)
    assert not any(f"of iss-local/{other}" in each for each in long_ago)
    unrevoked = planted(
        "UPDATE certificates SET status = 'valid', revoked_us = NULL, revocation_reason = NULL"
        " WHERE serial = ?",
        gone.certificate.serial_number.to_bytes(20, "big"),
    )
    of = f"of iss-local/{partition_of(gone, port)}, and it is not revoked"
    assert any(of in each for each in unrevoked)
    elsewhere = planted("UPDATE crl_partitions SET base = 'http://elsewhere' WHERE number = ?", own)
    wanted = f"it is not for what names http://elsewhere/crls/iss-local/{own}.crl"
    assert any(each.endswith(wanted) for each in elsewhere)


def test_a_restore_gives_no_number_of_a_partition_again(
    server: RunningServer, port: PlainPort, device: Device, tmp_path: Path
):
    assert device.certificate is not None
    path = path_of(partition_of(device, port))
    backup = tmp_path / "early.backup"
    assert run_command(server, "backup", str(backup)).returncode == 0
    revoke(server, device.certificate.serial_number)
    last = crl_number(listing(port, path, device.certificate.serial_number))

    (tmp_path / "again").mkdir()
    restored = configured_server(tmp_path / "again", settings(PlainPort(port=free_port()), 2))
    put = run_command(restored, "restore", str(backup))
    assert put.returncode == 0, put.stderr
    records = restored.records()
    for number in PARTITIONS:
        crl = records.crl(f"iss-local/{number}")
        assert crl is not None
        assert crl.number > last
        assert crl.stamp == "", "the next one is due at once"
        parts = [records.crl_part(crl.scope, crl.number, part) for part in range(crl.parts)]
        assert hashlib.sha256(b"".join(part or b"" for part in parts)).digest() == crl.digest
    records.close()


def test_switched_on_and_off_again_each_certificate_keeps_its_list(tmp_path: Path):
    """Those of before and after are on the full CRL, and the partitions between stay."""
    port = PlainPort(port=free_port())
    directory = tmp_path / "server"
    directory.mkdir()

    def served(partitions: int) -> RunningServer:
        return configured_server(directory, settings(port, partitions))

    whole = f"http://pki.example.com:{port.port}{PKI}{WHOLE}"
    with served(1) as running:
        before = enrolled(running, tmp_path / "before")
        assert cdp(before.certificate) == whole
        assert port.fetch("GET", path_of(1)).status == 404
    with served(2) as running:
        between = enrolled(running, tmp_path / "between")
        own = partition_of(between, port)
        records = running.records()
        details = [each.event.details for each in records.events()]
        records.close()
        told = [each for each in details if each.get("what") == "partitions of CRLs"]
        assert [each["added"] for each in told] == [["1", "2"]]
    with served(1) as running:
        after = enrolled(running, tmp_path / "after")
        assert cdp(after.certificate) == whole
        port.settle(path_of(own))
        serials = {}
        for name, device in (("before", before), ("between", between), ("after", after)):
            assert device.certificate is not None
            serials[name] = device.certificate.serial_number
            revoke(running, serials[name])
        for serial in serials.values():
            listing(port, WHOLE, serial)
        found = listing(port, path_of(own), serials["between"])
        assert [each.serial_number for each in found] == [serials["between"]]
        assert problems(running) == []


def test_the_first_start_of_a_server_whose_setting_nobody_can_follow(tmp_path: Path):
    port = PlainPort(port=free_port())
    bad = settings(port, 2)
    del bad["PUBLIC_URL"]
    done = run_command(configured_server(tmp_path, bad), "serve")
    assert done.returncode == 2
    assert "CERTCTL_CRL_PARTITIONS" in done.stderr
    assert "CERTCTL_PUBLIC_URL" in done.stderr
