"""curl and openssl, first with the very lines that the quick start prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.profiles import AuthMode, Operation
from tests.clients.books import granted, refused, state_of
from tests.clients.identities import load, own_device, password, strange_device
from tests.clients.tools import Ran, need, run, shell
from tests.clients.ways import every_way
from tests.harness.device import Device, certificates_of
from tests.harness.server import RunningServer

pytestmark = [pytest.mark.clients, every_way]

ENROLL_HEADING = "Enroll a device of your own, in another terminal:"
RENEW_HEADING = "Renew it with the certificate it has, no password:"
SUBJECT = "CN=device-001.example.com"
# curl(1): the answer's status was 400 or more, and --fail-with-body was given.
CURL_REFUSED = 22


@pytest.fixture(autouse=True)
def programs() -> None:
    need("curl", package="curl")
    need("openssl", package="openssl")


def printed_lines(server: RunningServer, heading: str) -> str:
    """The indented lines below a heading of what the quick start printed."""
    printed = [line for line in server.log().splitlines() if not line.startswith("{")]
    below = printed[printed.index(heading) + 1 :]
    lines: list[str] = []
    for line in below:
        if line and not line.startswith("  "):
            break
        lines.append(line.removeprefix("  "))
    return "\n".join(lines)


def post(
    server: RunningServer, directory: Path, operation: str, device: Device, *more: str | Path
) -> Ran:
    """POST as the printed lines do; the output is the body, then a line with the status."""
    body = directory / "request.b64"
    body.write_bytes(device.body().replace(b"\n", b""))
    command: list[str | Path] = ["curl", "-sS", "--fail-with-body", "--cacert", server.ca_file]
    command += ["-H", "Content-Type: application/pkcs10", "--data-binary", f"@{body}"]
    command += ["-w", "\n%{http_code}", *more, f"{server.url}/.well-known/est/demo/{operation}"]
    return run(command, directory=directory)


def status(ran: Ran) -> str:
    return ran.output.decode().splitlines()[-1]


def test_printed_lines_enroll_and_renew(server):
    place = server.directory
    with granted(server, Operation.SIMPLEENROLL, AuthMode.BASIC):
        enrolled = shell(printed_lines(server, ENROLL_HEADING), directory=place)
        assert enrolled.code == 0, enrolled.said
    first = load(place / "device.crt")
    assert first.subject.rfc4514_string() == SUBJECT
    assert "subject=CN = device-001.example.com" in enrolled.said

    with granted(server, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        renewed = shell(printed_lines(server, RENEW_HEADING), directory=place)
        assert renewed.code == 0, renewed.said
    second = load(place / "renewed.crt")
    assert second.subject == first.subject
    assert second.public_key() == first.public_key()
    assert second.serial_number != first.serial_number
    assert state_of(server, second) is not None

    verified = shell("openssl verify -CAfile demo/ca.pem device.crt renewed.crt", directory=place)
    assert verified.output == b"device.crt: OK\nrenewed.crt: OK\n", verified.said


@pytest.mark.parametrize("path", ["est/demo/cacerts", "est/cacerts"])
def test_cacerts_are_the_servers(server, tmp_path, path):
    ran = shell(
        f"curl -sS --fail --cacert {server.ca_file} {server.url}/.well-known/{path}"
        " | base64 -d | openssl pkcs7 -inform DER -print_certs",
        directory=tmp_path,
    )
    assert ran.code == 0, ran.said
    assert x509.load_pem_x509_certificates(ran.output) == [load(server.ca_file)]


def test_renewal_with_a_new_key(server, tmp_path):
    old = own_device(server, tmp_path, "rekeyed")
    fresh = Device(tmp_path / "new", "rekeyed")
    fresh.directory.mkdir()
    with granted(server, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        ran = post(
            server, tmp_path, "simplereenroll", fresh,
            "--cert", old.certificate_file, "--key", old.key_file,
        )  # fmt: skip
        assert ran.code == 0, ran.said
    (renewed,) = certificates_of(ran.output.rsplit(b"\n", 1)[0])
    assert renewed.public_key() == fresh.key.public_key()
    assert renewed.subject == old.csr().subject


def test_wrong_password_is_refused(server, tmp_path):
    with refused(
        server,
        AuditAction.AUTH_FAILED_BASIC,
        counter=Counter.AUTH_FAILED_BASIC,
        reason="wrong_password",
    ):
        ran = post(
            server, tmp_path, "simpleenroll", Device(tmp_path, "guesser"),
            "-u", f"guesser:{password(server)}x",
        )  # fmt: skip
    assert ran.code == CURL_REFUSED, ran.said
    assert status(ran) == "401"


def test_no_credential_is_refused_and_leaves_no_event(server, tmp_path):
    # The first half of a challenge is not an attack: after it, only the wrong
    # password that follows may be found on record.
    with refused(
        server,
        AuditAction.AUTH_FAILED_BASIC,
        counter=Counter.AUTH_FAILED_BASIC,
        reason="wrong_password",
    ):
        ran = post(server, tmp_path, "simpleenroll", Device(tmp_path, "nobody"))
        assert ran.code == CURL_REFUSED, ran.said
        assert status(ran) == "401"
        post(server, tmp_path, "simpleenroll", Device(tmp_path, "nobody"), "-u", "nobody:x")


@pytest.mark.parametrize("operation", ["simpleenroll", "simplereenroll"])
def test_certificate_of_another_ca_is_refused(server, tmp_path, operation):
    stranger, chain = strange_device(tmp_path, "stranger")
    with refused(
        server,
        AuditAction.AUTH_FAILED_MTLS,
        counter=Counter.AUTH_FAILED_MTLS,
        reason="untrusted",
    ):
        ran = post(
            server, tmp_path, operation, stranger, "--cert", chain, "--key", stranger.key_file
        )
    assert ran.code == CURL_REFUSED, ran.said
    assert status(ran) == "401"


def test_another_devices_certificate_is_refused(server, tmp_path):
    thief = own_device(server, tmp_path, "thief")
    with refused(
        server,
        AuditAction.SIMPLE_REENROLL_FAILED,
        counter=Counter.CSR_POLICY_VIOLATION,
        reason="subject_changed",
    ):
        ran = post(
            server, tmp_path, "simplereenroll", Device(tmp_path, "victim"),
            "--cert", thief.certificate_file, "--key", thief.key_file,
        )  # fmt: skip
    assert ran.code == CURL_REFUSED, ran.said
    assert status(ran) == "403"


def test_own_certificate_does_not_open_simpleenroll(server, tmp_path):
    # MTLS_OWN_ONLY: a renewal credential is not an enrollment credential.
    device = own_device(server, tmp_path, "own")
    with refused(
        server,
        AuditAction.AUTH_FAILED_MTLS,
        counter=Counter.AUTH_FAILED_MTLS,
        reason="untrusted",
    ):
        ran = post(
            server, tmp_path, "simpleenroll", device,
            "--cert", device.certificate_file, "--key", device.key_file,
        )  # fmt: skip
    assert status(ran) == "401"
