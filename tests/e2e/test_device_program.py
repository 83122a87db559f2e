"""``certctl-est`` as a device runs it, against the real server."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certctl.domain.audit import AuditAction
from tests.harness.records import all_events
from tests.harness.server import (
    RunningServer,
    clean_environment,
    configured_server,
    free_port,
    write_rules,
)
from tests.harness.shell import DEVICE, Shell, shell_for

PASSWORD = "password-of-the-device-test"
SECONDS = 60.0
UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
# Short enough to see a renewal, long enough for a crowded machine.
LIFETIME_SECONDS = 600


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("device")
    write_rules(directory / "certificate-profiles", {"max_ttl_seconds": LIFETIME_SECONDS}, "short")
    settings = {
        "CERTIFICATE_PROFILES_DIR": str(directory / "certificate-profiles"),
        "EST_PROFILES": "iot",
        "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
        "EST_PROFILE_IOT_PROFILE_ID": "short",
        "EST_PROFILE_IOT_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_IOT_MTLS_OWN_ONLY": "true",
        "EST_PROFILE_IOT_CHANNEL_BINDING_REQUIRED": "true",
        "EST_PROFILE_IOT_ENROLLMENT_PASSWORD": PASSWORD,
    }
    with configured_server(directory, settings) as running:
        yield running


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    (tmp_path / "pw").write_text(PASSWORD)
    made = shell_for(server, tmp_path)
    made.program = DEVICE
    return made


def line(command: str, name: str, *more: str) -> tuple[str, ...]:
    credentials = ("--user", name, "--password-file", "pw")
    return (command, "--profile", "iot", "--dir", "id", "--bind", *credentials, *more)


def pair(shell: Shell) -> x509.Certificate:
    current = shell.directory / "id" / "current"
    certificate = x509.load_pem_x509_certificate((current / "cert.pem").read_bytes())
    key = serialization.load_pem_private_key((current / "key.pem").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    return certificate


def test_it_enrolls_and_renews_bound_to_its_connections(
    server: RunningServer, shell: Shell
) -> None:
    told = shell.run(*line("enroll", "est-1", "--cn", "est-1", "--san", "est-1.example"))
    assert told.stderr == b"certctl-est: enrolled.\n"
    first = pair(shell)
    assert shell.good(*line("renew", "est-1")) == ""
    assert pair(shell) == first
    shell.good(*line("renew", "est-1", "--force", "--key-type", "p384"))
    second = pair(shell)
    assert second != first
    assert second.subject == first.subject
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", str(server.ca_file), "id/current/cert.pem"],
        cwd=shell.directory,
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    renewals = [
        each.event.details["channel_binding"]
        for each in all_events(server)
        if each.event.action is AuditAction.SIMPLE_REENROLL_SUCCESS
    ]
    assert renewals == ["tls-exporter"]


def test_a_daemon_enrolls_renews_in_time_runs_its_hook_and_ends(shell: Shell) -> None:
    hook = f'sh -c "openssl x509 -noout -serial -in $CERTCTL_EST_CERT >> {shell.directory}/told"'
    # A window so early that the certificate is due a few seconds after its issue.
    process = subprocess.Popen(
        [DEVICE, *line("daemon", "est-2", "--cn", "est-2"), "--renew-at", "0.0", "--hook", hook],
        cwd=shell.directory,
        env=clean_environment(shell.environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "certctl-est: enrolled.\n"
        assert process.stderr.readline() == "certctl-est: renewed.\n"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    told = (shell.directory / "told").read_text().splitlines()
    assert len(set(told)) >= 2
    assert f"serial={pair(shell).serial_number:040X}" in told


def test_a_daemon_waits_for_a_server_that_is_away(shell: Shell) -> None:
    process = subprocess.Popen(
        [
            DEVICE,
            *line("daemon", "est-3", "--cn", "est-3"),
            "--server",
            f"https://localhost:{free_port()}",
        ],
        cwd=shell.directory,
        env=clean_environment(shell.environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "cannot be reached" in said
        assert "Next try in" in said
        # SIGHUP looks at once, without waiting for that.
        process.send_signal(signal.SIGHUP)
        assert "cannot be reached" in process.stderr.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_bad_usage_ends_it_at_once(shell: Shell) -> None:
    assert "Under which name?" in shell.bad(2, *line("daemon", "est-4"))
    assert "There is no certificate" in shell.bad(2, *line("renew", "est-4"))
    (shell.directory / "pw").write_text("wrong")
    assert "401" in shell.bad(4, *line("enroll", "est-4", "--cn", "est-4"))


def test_it_loads_nothing_of_the_servers_packages() -> None:
    code = (
        "import sys, certctl.cli.device.main\n"
        "mine = [m for m in sys.modules if m.startswith('certctl.')]\n"
        "bad = ('authority', 'enroll', 'store', 'web', 'tls', 'jobs', 'wiring', 'settings')\n"
        "print([m for m in mine if m.split('.')[1] in bad])\n"
        "foreign = ('sqlalchemy', 'fastapi', 'uvicorn', 'alembic', 'httptools', 'structlog')\n"
        "print([m for m in foreign if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    names = {}
    for unit in sorted(UNITS.glob("certctl-est*")):
        # An instance of each template, with a program that is there.
        names[unit.name] = tmp_path / unit.name.replace("@", "@door")
        text = unit.read_text().replace("/opt/certctl/.venv/bin/certctl-est", DEVICE)
        names[unit.name].write_text(text)
    assert len(names) == 3
    verified = subprocess.run(
        ["systemd-analyze", "verify", *names.values()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert "certctl" not in verified.stderr


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["certctl-cli", "certctl-est"])
def test_every_shell_has_its_completion(shell_name: str, program: str) -> None:
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    done = subprocess.run(
        [str(Path(DEVICE).with_name(program))],
        env=clean_environment({variable: f"source_{shell_name}"}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert program in done.stdout
