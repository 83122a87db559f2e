"""The operator guide's quick start, typed word for word.

Only its example host and its CA path are replaced, as a reader does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from certctl.domain.audit import AuditAction, Counter
from tests.clients.books import PAUSE_SECONDS, WAIT_SECONDS, books, state_of
from tests.clients.identities import load
from tests.clients.tools import need, shell
from tests.harness.device import Device, certificates_of
from tests.harness.server import RunningServer, configured_server

pytestmark = pytest.mark.clients

# Step 2; CERTCTL_EST_ENABLED=true is what the harness always sets.
SETTINGS = {"EST_ENABLED": "true", "EST_ISSUER_ID": "iss-local"}

STEP_4 = """\
curl -sS --cacert /path/to/ca.crt \\
https://certctl.example.com:8443/.well-known/est/cacerts \\
| base64 -d | openssl pkcs7 -inform DER -print_certs -noout
"""

STEP_5 = """\
openssl ecparam -name prime256v1 -genkey -noout -out device.key
openssl req -new -key device.key -subj "/CN=device-001.example.com" -out device.csr
curl -sS --cacert /path/to/ca.crt \\
-H "Content-Type: application/pkcs10" \\
--data-binary @<(openssl req -in device.csr -outform DER | base64 -w0) \\
https://certctl.example.com:8443/.well-known/est/simpleenroll \\
| base64 -d | openssl pkcs7 -inform DER -print_certs > device.crt
"""


@pytest.fixture(autouse=True)
def programs() -> None:
    need("curl", package="curl")
    need("openssl", package="openssl")
    need("base64", package="coreutils")


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with configured_server(tmp_path_factory.mktemp("guide"), SETTINGS) as server:
        yield server


def typed(lines: str, server: RunningServer) -> str:
    return lines.replace("/path/to/ca.crt", str(server.ca_file)).replace(
        "https://certctl.example.com:8443", server.url
    )


def test_step_3_the_promised_start_line(guided):
    # One worker writes it while the other may already answer.
    deadline = time.monotonic() + WAIT_SECONDS
    while not guided.log_events("EST server enabled"):
        assert time.monotonic() < deadline, guided.log()
        time.sleep(PAUSE_SECONDS)


def test_step_4_shows_the_ca(guided, tmp_path):
    ran = shell(typed(STEP_4, guided), directory=tmp_path)
    assert ran.code == 0, ran.said
    common_name = load(guided.ca_file).subject.rfc4514_string().split(",")[0].removeprefix("CN=")
    assert f"subject=CN = {common_name}" in ran.said


def test_step_5_enrolls_a_device(guided, tmp_path):
    before = books(guided)
    ran = shell(typed(STEP_5, guided), directory=tmp_path)
    assert ran.code == 0, ran.said
    # GNU base64 complains about a CR, and openssl about a cut answer.
    assert ran.said == ""
    certificate = load(tmp_path / "device.crt")
    assert certificate.subject.rfc4514_string() == "CN=device-001.example.com"

    verified = shell(f"openssl verify -CAfile {guided.ca_file} device.crt", directory=tmp_path)
    assert verified.output == b"device.crt: OK\n", verified.said
    same_key = shell(
        "cmp <(openssl pkey -in device.key -pubout) <(openssl x509 -in device.crt -noout -pubkey)",
        directory=tmp_path,
    )
    assert same_key.code == 0, same_key.said

    after = books(guided)
    state = state_of(guided, certificate)
    assert state is not None
    # The legacy single profile has the empty path ID.
    assert state.profile == ""
    assert after.certificates == before.certificates + 1
    (event,) = after.events[len(before.events) :]
    assert event.action is AuditAction.SIMPLE_ENROLL_SUCCESS
    assert event.auth_mode == "anonymous"
    assert after.counts["", Counter.SUCCESS_SIMPLEENROLL] == 1


def test_anonymous_mode_is_warned_about(guided):
    lines = [json.loads(line) for line in guided.log().splitlines() if line.startswith("{")]
    warnings = [str(line).lower() for line in lines if line["level"] == "warning"]
    assert any("anonymous" in line for line in warnings), guided.log()


def test_a_body_that_is_no_request_is_refused(guided, tmp_path):
    before = books(guided)
    lines = typed(STEP_5, guided).replace("-outform DER | base64 -w0", "-noout -subject")
    ran = shell(lines, directory=tmp_path)
    assert ran.code != 0
    assert books(guided).certificates == before.certificates


def test_renewal_under_the_same_settings(guided, tmp_path):
    device = Device(tmp_path, "device-002.example.com")
    assert device.enroll(guided, "/.well-known/est/simpleenroll").status == 200
    first = device.certificate
    answer = device.enroll(guided, "/.well-known/est/simplereenroll", with_certificate=True)
    assert answer.status == 200, answer.text
    (renewed,) = certificates_of(answer.body)
    assert first is not None
    assert renewed.subject == first.subject
    assert renewed.serial_number != first.serial_number
