"""``certctl-cli`` over the management API of the real server: what operators do from afar."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import pty
import select
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.api import first_key
from tests.harness.device import Device, name
from tests.harness.faulty_est import certified
from tests.harness.server import RunningServer, clean_environment, configured_server, write_rules
from tests.harness.shell import Shell, shell_for

PASSWORD = "password-of-the-operator-test"
NUMBERS = itertools.count()


@dataclass
class Office:
    """A server, an operator's shell with an admin key, and devices to look at."""

    server: RunningServer
    shell: Shell

    def json(self, *arguments: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.shell.good(*arguments))
        return found

    def device(self, profile: str = "corp") -> tuple[Device, int]:
        device = Device(self.shell.directory, f"cli-op-{next(NUMBERS)}")
        path = f"/.well-known/est/{profile}/simpleenroll"
        return device, device.enroll(self.server, path, password=PASSWORD).status

    def with_key(self, key: str) -> Shell:
        variables = {**self.shell.environment, "CERTCTL_API_KEY": key}
        del variables["CERTCTL_API_KEY_FILE"]
        return Shell(self.shell.directory, variables)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    directory = tmp_path_factory.mktemp("office")
    write_rules(directory / "certificate-profiles", {"requires_approval": True}, "slow")
    config_key = directory / "config.key"
    config_key.write_text("c0" * 32)
    settings = {
        "CONFIG_ENCRYPTION_KEY_FILE": str(config_key),
        "CERTIFICATE_PROFILES_DIR": str(directory / "certificate-profiles"),
        "EST_PROFILES": "corp,slow",
        "EST_PROFILE_SLOW_PROFILE_ID": "slow",
    }
    for infix in ("CORP", "SLOW"):
        settings |= {
            f"EST_PROFILE_{infix}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{infix}_ALLOWED_AUTH_MODES": "basic",
            f"EST_PROFILE_{infix}_ENROLLMENT_PASSWORD": PASSWORD,
        }
    with configured_server(directory, settings) as server:
        key_file = directory / "root.key"
        key_file.write_text(first_key(server) + "\n")
        shell = shell_for(server, directory, CERTCTL_API_KEY_FILE=str(key_file))
        yield Office(server, shell)


def test_a_certificate_is_found_shown_and_revoked(office: Office):
    device, _ = office.device()
    assert device.certificate is not None
    serial = f"{device.certificate.serial_number:x}"
    page = office.json("certificates", "list", "--limit", "1000")
    data = page["data"]
    assert isinstance(data, list)
    (row,) = [each for each in data if each["serial"] == serial]
    shown = office.json("certificates", "show", row["id"])
    pem = x509.load_pem_x509_certificate(str(shown["pem"]).encode())
    assert pem == device.certificate
    chain = x509.load_pem_x509_certificates(
        office.shell.good("certificates", "chain", row["id"]).encode()
    )
    assert chain[0] == pem
    assert len(chain) == 2
    colons = ":".join(serial.zfill(40)[at : at + 2] for at in range(0, 40, 2))
    revoked = office.json("est", "revoke", colons, "--reason", "keyCompromise")
    assert revoked["reason"] == "keyCompromise"
    assert revoked["already_revoked"] is False
    again = office.json("certificates", "revoke", row["id"])
    assert again["already_revoked"] is True
    assert again["reason"] == "keyCompromise"


def test_a_waiting_request_is_approved_and_its_device_gets_its_certificate(office: Office):
    device, status = office.device("slow")
    assert status == 202
    page = office.json("est", "requests", "list")
    data = page["data"]
    assert isinstance(data, list)
    (row,) = [each for each in data if each["subject"] == f"CN={device.common_name}"]
    assert "reason" in office.shell.bad(2, "est", "requests", "deny", row["id"], "--reason", " ")
    done = office.json("est", "requests", "approve", row["id"], "--reason", "ticket 4711")
    assert done["status"] == "approved"
    assert office.json("est", "requests", "show", row["id"])["decisions"]
    (office.shell.directory / "pw").write_text(PASSWORD)
    (office.shell.directory / "slow.csr").write_bytes(device.csr().public_bytes(Encoding.PEM))
    (office.shell.directory / "slow.key.pem").write_bytes(device.key_file.read_bytes())
    office.shell.good(
        *("est", "enroll", "--profile", "slow", "--user", device.common_name),
        *("--password-file", "pw", "--sign-key", "slow.key.pem", "--cn", device.common_name),
        *("--out", "slow.pem"),
    )
    issued = x509.load_pem_x509_certificate((office.shell.directory / "slow.pem").read_bytes())
    assert issued.public_key() == device.key.public_key()


def test_the_trail_is_searched_and_followed(office: Office):
    office.device()
    page = office.json("audit", "list", "--action", "est_simple_enroll", "--profile", "corp")
    data = page["data"]
    assert isinstance(data, list)
    assert data
    assert {each["profile"] for each in data} == {"corp"}
    assert office.json("audit", "show", data[0]["id"])["digest"] == data[0]["digest"]
    following = subprocess.Popen(
        # As a terminal starts it: whoever runs the tests in the background ignores SIGINT.
        [
            *("env", "--default-signal=INT", office.shell.program),
            *("est", "activity", "--follow", "--output", "json"),
        ],
        env=clean_environment(office.shell.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert following.stdout is not None
        ready: Sequence[object] = []
        # When the stream has begun nobody can tell from outside: devices come until one is seen.
        for _ in range(60):
            office.device()
            ready, _, _ = select.select([following.stdout], [], [], 1.0)
            if ready:
                break
        assert ready
        event = json.loads(following.stdout.readline())
        assert str(event["action"]).startswith("est_")
    finally:
        following.send_signal(signal.SIGINT)
        _, told = following.communicate(timeout=30)
    assert following.returncode == 130, told


def test_a_certificate_profile_is_kept_replaced_and_removed(office: Office):
    (office.shell.directory / "cp.toml").write_text("max_ttl_seconds = 86400\n")
    put = ("profiles", "put", "cp-cli", "--file", "cp.toml", "--expected-version", "0")
    assert office.json(*put)["version"] == 1
    told = office.shell.bad(5, *put)
    assert "409" in told
    shown = yaml.safe_load(office.shell.good("profiles", "show", "cp-cli", "--output", "yaml"))
    assert shown["document"] == {"max_ttl_seconds": 86400}
    (office.shell.directory / "cp.toml").write_text("max_ttl_second = 86400\n")
    assert "max_ttl_second" in office.shell.bad(5, "profiles", "put", "cp-cli", "--file", "cp.toml")
    office.shell.good("profiles", "delete", "cp-cli")
    # In force, and so in the list, within a second.
    deadline = time.monotonic() + 15
    while "cp-cli" in profile_ids(office):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def profile_ids(office: Office) -> set[str]:
    data = office.json("profiles", "list")["data"]
    assert isinstance(data, list)
    return {each["id"] for each in data}


def test_a_key_is_made_into_a_private_file_used_and_revoked(office: Office):
    office.shell.good("keys", "create", "robot", "--role", "viewer", "--out", "robot.key")
    path = office.shell.directory / "robot.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    robot = office.with_key(path.read_text().strip())
    assert robot.good("certificates", "list")
    told = robot.bad(5, "keys", "list")
    assert "admin" in told
    page = office.json("keys", "list")
    data = page["data"]
    assert isinstance(data, list)
    (row,) = [each for each in data if each["name"] == "robot"]
    office.shell.good("keys", "revoke", row["id"])
    # In force within a second; the refusal is what is waited for.
    for _ in range(50):
        done = robot.run("certificates", "list")
        if done.returncode:
            break
    assert done.returncode == 4, done.stderr
    assert path.read_text().strip() not in done.stderr.decode()


def test_est_profiles_are_listed(office: Office):
    page = office.json("est", "profiles")
    profiles = page["profiles"]
    assert isinstance(profiles, list)
    assert [each["path_id"] for each in profiles] == ["corp", "slow"]
    told = office.shell.bad(5, "est", "reload-trust", "--profile", "corp")
    assert "409" in told


def test_the_inventory_is_filtered(office: Office):
    device, _ = office.device()
    page = office.json("certificates", "list", "--cn", device.common_name, "--status", "valid")
    data = page["data"]
    assert isinstance(data, list)
    assert [each["subject"] for each in data] == [f"CN={device.common_name}"]
    none = office.json("certificates", "list", "--cn", device.common_name, "--status", "revoked")
    assert none["data"] == []


def test_a_hold_is_taken_back(office: Office):
    device, _ = office.device()
    page = office.json("certificates", "list", "--cn", device.common_name)
    data = page["data"]
    assert isinstance(data, list)
    office.shell.good("certificates", "revoke", data[0]["id"], "--reason", "certificateHold")
    office.shell.good("certificates", "release", data[0]["id"])
    assert office.json("certificates", "show", data[0]["id"])["revoked_at"] is None


def test_certificates_of_others_are_imported(office: Office):
    stranger = certified("stranger")
    pem = stranger.certificate.public_bytes(Encoding.PEM)
    done = json.loads(
        office.shell.good(
            *("certificates", "import", "--file", "-", "--issuer", "old-ca"), stdin=pem
        )
    )
    assert done["imported"] == 1


def test_many_are_revoked_after_they_were_counted(office: Office):
    first, _ = office.device()
    assert first.certificate is not None
    digits = f"{first.certificate.serial_number:040X}"
    copied = ":".join(digits[start : start + 2] for start in range(0, 40, 2))
    line = ("est", "bulk-revoke", "--serial", copied, "--issued-after", "2020-01-31")
    assert office.json(*line, "--dry-run")["total_matched"] == 1
    told = office.shell.bad(2, *line)
    assert "1 certificate would be revoked" in told
    assert office.json("certificates", "list", "--cn", first.common_name, "--status", "valid")[
        "data"
    ]
    done = office.json(*line, "--reason", "keyCompromise", "--yes")
    assert done["total_revoked"] == 1
    told = office.shell.bad(2, "est", "bulk-revoke", "--yes")
    assert "at least one criterion: --profile, --certificate-profile, --issuer, " in told
    for wrong in (("--serial", "zz"), ("--issued-before", "yesterday")):
        told = office.shell.bad(2, "est", "bulk-revoke", *wrong, "--yes")
        assert f"{wrong[1]!r} is no " in told


def test_a_request_is_explained_and_nothing_is_issued(office: Office):
    device = Device(office.shell.directory, "cli-explained")
    (office.shell.directory / "e.csr").write_bytes(device.csr().public_bytes(Encoding.PEM))
    line = ("est", "explain", "--csr", "e.csr")
    good = office.json(*line, "--profile", "corp", "--user", "cli-explained")
    assert good["outcome"] == "issued"
    nameless = device.csr(x509.Name([])).public_bytes(Encoding.PEM)
    (office.shell.directory / "n.csr").write_bytes(nameless)
    done = office.shell.run(
        "est", "explain", "--csr", "n.csr", "--profile", "corp", "--format", "table"
    )
    assert done.returncode == 5
    assert b"remedy: " in done.stdout
    done = office.shell.run(*line, "--profile", "slow", "--user", "cli-explained")
    assert done.returncode == 6
    assert json.loads(done.stdout)["outcome"] == "waits"
    page = office.json("certificates", "list", "--cn", "cli-explained")
    assert page["data"] == []
    # The doctor takes the same judgement into its report.
    doctor = ("doctor", office.server.url, "--profile", "corp", "--explain", "n.csr")
    done = office.shell.run(*doctor, "--output", "json")
    assert done.returncode == 8
    report = json.loads(done.stdout)
    found = [each["finding"] for each in report["results"] if each["finding"]]
    assert found
    assert all(each.startswith("rule_") for each in found)


def test_issuers_are_listed(office: Office):
    page = office.json("issuers", "list")
    data = page["data"]
    assert isinstance(data, list)
    assert [each["id"] for each in data] == ["iss-local"]
    assert office.json("issuers", "show", "iss-local")["chain"]


def test_an_issuer_is_made_tried_switched_and_deleted(office: Office):
    made = office.json("issuers", "create", "hall-2", "--key-type", "Ed25519", "--name", "Hall 2")
    assert made == {"id": "hall-2", "version": 1, "state": "enabled"}
    assert office.json("issuers", "test", "hall-2")["ok"] is True
    assert "It works" not in office.shell.good("issuers", "test", "iss-local", "--output", "table")
    assert office.json("issuers", "disable", "hall-2")["state"] == "disabled"
    assert office.json("issuers", "enable", "hall-2", "--expected-version", "2")["version"] == 3
    assert office.json("issuers", "rename", "hall-2", "--name", "Halle 2")["version"] == 4
    assert office.json("issuers", "show", "hall-2")["display_name"] == "Halle 2"
    assert office.json("issuers", "delete", "hall-2")["state"] == "deleted"


def test_a_request_goes_up_and_a_certificate_comes_down(office: Office):
    office.json("issuers", "create", "below", "--subordinate", "--common-name", "Below CA")
    request = x509.load_pem_x509_csr(office.shell.good("issuers", "csr", "below").encode())
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    chain = b""
    for subject, public in ((request.subject, request.public_key()), (name("R"), key.public_key())):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name("R"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=100))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        chain += certificate.public_bytes(Encoding.PEM)
    file = office.shell.directory / "chain.pem"
    file.write_bytes(chain)
    assert office.json("issuers", "install", "below", "--file", str(file))["state"] == "enabled"
    assert office.json("issuers", "test", "below")["ok"] is True
    assert office.shell.run("issuers", "csr", "below").returncode == 2


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (("certificates", "show", "0" * 32), 3, "There is no"),
        (("certificates", "show", "../keys"), 2, "is no id"),
        (("issuers", "create", "x", "--key-type", "DES"), 5, "key_type"),
        (("issuers", "create", "iss-local"), 5, "CERTCTL_ISSUER_ISS_LOCAL_TYPE"),
        (("issuers", "disable", "nobody"), 3, "There is no"),
        (("issuers", "csr", "iss-local"), 2, "waits for no certificate"),
        (("issuers", "install", "x", "--file", "absent.pem"), 2, "cannot be read"),
        (("est", "revoke", "xyz"), 2, "is no serial number"),
        (("audit", "list", "--from", "yesterday"), 5, "from"),
        (("profiles", "put", "cp", "--file", "absent.toml"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_exit_code(
    office: Office, line: tuple[str, ...], code: int, told: str
):
    assert told in office.shell.bad(code, *line)


def test_without_a_key_and_with_a_wrong_one(office: Office):
    bare = shell_for(office.server, office.shell.directory)
    assert "needs an API key" in bare.bad(2, "certificates", "list")
    told = office.with_key("certctl_wrong").bad(4, "certificates", "list")
    assert "request-id: " in told
    assert "is none" in office.with_key("two words").bad(2, "certificates", "list")


def test_a_server_that_is_not_trusted_never_sees_the_key(office: Office):
    told = office.shell.bad(
        7, "certificates", "list", "--ca-bundle", "/etc/ssl/certs/ca-certificates.crt"
    )
    assert "not trusted" in told


# --- output --------------------------------------------------------------------------------


def on_a_terminal(shell: Shell, *arguments: str, **more: str) -> str:
    """What a command shows on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [shell.program, *arguments],
        env=clean_environment({**shell.environment, "TERM": "xterm-256color", **more}),
        cwd=shell.directory,
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 65_536):
            shown += chunk
    except OSError:  # the terminal is gone with its last user
        pass
    os.close(parent)
    assert process.wait(30) == 0, shown
    return shown.decode()


def test_a_terminal_gets_a_table_and_a_pipe_gets_json(office: Office):
    office.device()
    drawn = on_a_terminal(office.shell, "keys", "list", COLUMNS="160")
    assert "NAME" in drawn
    assert "root" in drawn
    assert "\x1b[" in drawn
    plain = on_a_terminal(office.shell, "keys", "list", COLUMNS="160", NO_COLOR="1")
    # Without colour; bold may stay (no-color.org).
    assert "\x1b[3" not in plain
    assert json.loads(office.shell.good("keys", "list"))["total"] >= 1
    asked = office.shell.good("keys", "list", "--output", "table")
    assert asked.splitlines()[0].split()[:3] == ["ID", "NAME", "ROLE"]
    assert "\x1b" not in asked
    assert yaml.safe_load(office.shell.good("keys", "list", "--format", "yaml"))["data"]
