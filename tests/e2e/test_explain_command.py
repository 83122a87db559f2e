"""``certctl-server explain``: forms of a CSR, exit codes, output, with and without a server."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.rules import Rule
from certctl.web.explained import WANTED
from tests.harness.command_lines import for_people
from tests.harness.device import Device, name
from tests.harness.http import basic
from tests.harness.raw import RawClient, post
from tests.harness.server import RunningServer, clean_environment, ruled_server, write_rules

PASSWORD = "explain-password-01"
PATH = "/.well-known/est/demo/simpleenroll"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("explain")
    settings = {"EST_PROFILES": "demo,careful", "WORKERS": "1"}
    for infix in ("DEMO", "CAREFUL"):
        settings[f"EST_PROFILE_{infix}_ISSUER_ID"] = "iss-local"
        settings[f"EST_PROFILE_{infix}_ENROLLMENT_PASSWORD"] = f"{infix}-{PASSWORD}"
    settings["EST_PROFILE_CAREFUL_PROFILE_ID"] = "careful"
    write_rules(directory / "certificate-profiles", {"requires_approval": True}, "careful")
    rules = {"max_ttl_seconds": 3_600, "required_san_patterns": [r"dns:^[a-z0-9-]+\\.example$"]}
    made = ruled_server(directory, settings, rules)
    with made:
        yield made


def explain(
    server: RunningServer, *arguments: str | Path, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*server.program, *for_people("explain", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path, f"device-{tmp_path.name}"[:60])


def file_of(device: Device, octets: bytes | None = None) -> Path:
    path = device.directory / "device.csr"
    path.write_bytes(octets if octets is not None else device.csr().public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("form", ["pem", "der", "base64", "standard input"])
def test_every_form_of_a_csr_is_read(server: RunningServer, device: Device, form: str) -> None:
    der = device.csr().public_bytes(Encoding.DER)
    forms = {
        "pem": device.csr().public_bytes(Encoding.PEM),
        "der": der,
        "base64": base64.encodebytes(der),
        "standard input": der,
    }
    said = ("--profile", "demo", "--user", "device", "--output", "json")
    if form == "standard input":
        done = explain(server, *said, "--csr", "-", given=forms[form])
    else:
        done = explain(server, *said, "--csr", file_of(device, forms[form]))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["outcome"], told["refused_by"]) == ("issued", None)
    assert told["certificate"]["subject"] == f"CN={device.common_name}"
    assert told["certificate"]["certificate_profile"] == "ruled"
    assert [each["rule"] for each in told["rules"]] == [each.value for each in Rule]
    notes = {each["rule"]: each["note"] for each in told["rules"]}
    assert (notes["authentication"], notes["key"]) == ("basic: device", "ECDSA-256")
    assert (notes["subject"], notes["san"]) == (f"CN={device.common_name}", "none")


def test_each_rule_that_fails_says_what_came_what_is_wanted_and_how_to_mend_it(
    server: RunningServer, device: Device
) -> None:
    device.san = [x509.DNSName("pump.example.org")]
    csr = file_of(device, device.csr(name("a\u202eb")).public_bytes(Encoding.DER))
    done = explain(server, "--profile", "demo", "--user", "device", "--csr", csr)
    assert done.returncode == 5
    text = done.stdout.decode()
    assert "NO  subject " in text
    assert "a\\u202eb" in text
    assert "NO  san_patterns" in text
    assert "dns:pump.example.org" in text
    assert text.count("wanted: ") == text.count("remedy: ") == 2
    assert "It would be refused, first by subject." in text
    assert all(line.isprintable() for line in text.splitlines())


def test_exit_codes(server: RunningServer, device: Device) -> None:
    csr = file_of(device)
    waits = explain(server, "--profile", "careful", "--user", "device", "--csr", csr)
    assert waits.returncode == 6
    assert b"Operators would have to approve it; then it would get:" in waits.stdout
    for arguments, code, word in (
        (("--csr", csr), 2, "choose an EST profile"),
        (("--csr", csr, "--profile", "nowhere"), 3, "nowhere"),
        (("--csr", "missing.csr", "--profile", "demo"), 2, "missing.csr"),
        (("--csr", csr, "--profile", "demo", "--operation", "cacerts"), 2, "simplereenroll"),
        (("--csr", csr, "--profile", "demo", "--cert", csr), 2, "no PEM certificate"),
    ):
        done = explain(server, *arguments)
        assert done.returncode == code, done.stderr
        assert word in done.stderr.decode()
        assert b"Traceback" not in done.stderr


def test_without_a_credential_everything_else_is_judged(
    server: RunningServer, device: Device
) -> None:
    done = explain(server, "--profile", "demo", "--csr", file_of(device), "--output", "json")
    assert done.returncode == 0
    first, *rest = json.loads(done.stdout)["rules"]
    assert (first["rule"], first["verdict"]) == ("authentication", "not_judged")
    assert {each["verdict"] for each in rest} == {"passed"}


def test_what_was_answered_before_is_told(server: RunningServer, device: Device) -> None:
    body = device.csr().public_bytes(Encoding.DER)
    line = "Authorization: " + basic("device", f"DEMO-{PASSWORD}")["Authorization"]
    with RawClient(server) as client:
        client.send(post(PATH, body, line))
        assert client.answer().status == 200
    done = explain(server, "--profile", "demo", "--user", "device", "--csr", file_of(device, body))
    assert done.returncode == 0
    assert b"the certificate it was given before" in done.stdout


def test_without_a_server_and_before_the_first_start(
    server: RunningServer, device: Device, tmp_path: Path
) -> None:
    asked = ("--profile", "demo", "--user", "device", "--csr", file_of(device))
    beside = explain(server, *asked, "--output", "json")
    server.stop()
    try:
        alone = explain(server, *asked, "--output", "json")
    finally:
        server.start()
    told, again = json.loads(beside.stdout), json.loads(alone.stdout)
    assert alone.returncode == beside.returncode == 0
    for each in (told, again):
        del each["certificate"]["not_before"], each["certificate"]["not_after"]
    assert told == again
    server.environment["CERTCTL_DATA_DIR"], kept = (
        str(tmp_path / "new"),
        server.environment["CERTCTL_DATA_DIR"],
    )
    try:
        done = explain(server, *asked)
    finally:
        server.environment["CERTCTL_DATA_DIR"] = kept
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_every_rule_says_what_it_wants() -> None:
    assert set(WANTED) == set(Rule)
