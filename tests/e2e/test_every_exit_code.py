"""Exit codes of ``certctl-cli`` and ``certctl-est`` by what a real server answers (operator §3).

Usage errors and the commands on the host are in tests/unit/cli/test_every_command.py.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.api import first_key
from tests.harness.command_lines import COMMANDS, LINES, ran
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.server import RunningServer, clean_environment, configured_server, free_port
from tests.harness.shell import CLI

NOT_FOUND, AUTHENTICATION, REFUSED, NETWORK, FINDINGS = 3, 4, 5, 7, 8
UNKNOWN_KEY = f"certctl_{'0' * 32}_{'1' * 64}"
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|4[0-7]|38|48)(?:;\d+)*m")

# Their answer is a list of what is wrong, so they end with "findings".
EXAMINERS = {"certctl-cli doctor", "certctl-cli est test"}
DEVICE_SIDE = {
    f"certctl-cli est {each}"
    for each in ("cacerts", "csrattrs", "enroll", "fullcmc", "reenroll", "serverkeygen")
} | {"certctl-est enroll", "certctl-est renew"}
# They go on for ever: what fails ends nothing but the attempt.
ENDLESS = {"certctl-est daemon", "certctl-mcp"}
REMOTE = [
    each
    for each in COMMANDS
    if not each.startswith("certctl-server") and each not in EXAMINERS | ENDLESS
]
OPERATORS = [each for each in REMOTE if each not in DEVICE_SIDE]
NAMES_NOTHING = {
    f"certctl-cli {each}"
    for each in (
        *("audit checkpoints", "audit follow", "audit list", "certificates import"),
        *("certificates list", "est activity", "est bulk-revoke", "est profiles"),
        *("est requests list", "issuers list", "keys create", "keys list", "profiles list"),
        *("issuers create", "profiles put"),
    )
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": "password-of-the-exit-codes",
        "RATE_LIMIT_ENABLED": "false",
        "CONFIG_ENCRYPTION_KEY": "0f" * 32,
        "WORKERS": "1",
    }
    with configured_server(tmp_path_factory.mktemp("codes"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def folder(server: RunningServer) -> Path:
    """What the lines name: a request, a certificate, rules, and a device's kept identity."""
    device = ForeignCA("factory").equip(Device(server.directory, "device"))
    (server.directory / "device.csr").write_bytes(device.csr().public_bytes(Encoding.PEM))
    (server.directory / "device.pem").write_bytes(device.certificate_file.read_bytes())
    (server.directory / "rules.toml").write_text('name = "rules"\n')
    (server.directory / "wrong").write_text("not the password\n")
    kept = server.directory / "kept" / "1"
    kept.mkdir(parents=True)
    (kept / "key.pem").write_bytes(device.key_file.read_bytes())
    for name in ("cert.pem", "chain.pem"):
        (kept / name).write_bytes(device.certificate_file.read_bytes())
    (kept.parent / "current").symlink_to("1")
    return server.directory


@pytest.fixture
def environment(server: RunningServer, folder: Path, monkeypatch) -> dict[str, str]:
    monkeypatch.chdir(folder)
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "CERTCTL_SERVER_URL": server.url,
        "CERTCTL_SERVER_CA_BUNDLE_PATH": str(server.ca_file),
    }


@pytest.mark.parametrize("name", [*REMOTE, "certctl-cli est test"])
def test_a_server_that_is_not_there(name: str, environment: dict[str, str]):
    environment |= {
        "CERTCTL_SERVER_URL": f"https://localhost:{free_port()}",
        "CERTCTL_API_KEY": UNKNOWN_KEY,
    }
    done = ran(LINES[name], environment)
    assert done.exit_code == (FINDINGS if name in EXAMINERS else NETWORK), done.stderr
    assert name in EXAMINERS or (done.stdout == "" and done.stderr)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_key_that_opens_nothing(name: str, environment: dict[str, str]):
    done = ran(LINES[name], {**environment, "CERTCTL_API_KEY": UNKNOWN_KEY})
    assert (done.exit_code, done.stdout) == (AUTHENTICATION, ""), done.stderr
    assert "request-id" in done.stderr


@pytest.fixture(scope="module")
def keys(server: RunningServer) -> dict[str, str]:
    return {"root": first_key(server)}


@pytest.mark.parametrize("name", [each for each in OPERATORS if each not in NAMES_NOTHING])
def test_what_is_not_on_record(name: str, environment: dict[str, str], keys: dict[str, str]):
    done = ran(LINES[name], {**environment, "CERTCTL_API_KEY": keys["root"]})
    assert (done.exit_code, done.stdout) == (NOT_FOUND, ""), done.stderr


@pytest.mark.parametrize("name", sorted(DEVICE_SIDE))
def test_a_profile_that_is_not_there(name: str, environment: dict[str, str]):
    done = ran(LINES[name], environment)
    assert (done.exit_code, done.stdout) == (NOT_FOUND, ""), done.stderr


@pytest.mark.parametrize(
    "name", ["certctl-cli est enroll", "certctl-cli est reenroll", "certctl-est enroll"]
)
def test_a_wrong_password(name: str, environment: dict[str, str]):
    line = LINES[name].replace("gone", "corp")
    done = ran(f"{line} --user device --password-file wrong", environment)
    assert (done.exit_code, done.stdout) == (AUTHENTICATION, ""), done.stderr


def test_a_role_that_may_not(environment: dict[str, str], server: RunningServer):
    from certctl.domain.api_keys import Role  # noqa: PLC0415

    key = first_key(server, "looks", Role.VIEWER)
    done = ran(LINES["certctl-cli keys list"], {**environment, "CERTCTL_API_KEY": key})
    assert (done.exit_code, done.stdout) == (REFUSED, "")
    assert "admin" in done.stderr


# --- colours -----------------------------------------------------------------------------------


def on_terminal(*command: str, **variables: str) -> bytes:
    """All that a command shows on a terminal."""
    side, other = pty.openpty()
    environment = {k: v for k, v in clean_environment({}).items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color", **variables},
        stdin=subprocess.DEVNULL,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown = b""
    try:
        while octets := os.read(side, 65_536):
            shown += octets
    except OSError:
        pass  # Linux says so where the other side is closed.
    os.close(side)
    process.wait(60)
    return shown


@pytest.mark.parametrize(
    "command",
    [
        (CLI, "doctor", "https://localhost:1"),
        (CLI, "--help"),
        (CLI.replace("certctl-cli", "certctl-est"), "enroll", "--help"),
        (CLI.replace("certctl-cli", "certctl-server"), "keys", "--no-such-option"),
    ],
)
def test_no_color(command: tuple[str, ...]):
    assert COLOUR.search(on_terminal(*command)), "there is nothing to leave out"
    plain = on_terminal(*command, NO_COLOR="1")
    assert plain
    assert not COLOUR.search(plain), plain
