"""``certctl-server quickstart``: a secure server on an embedded database in one command.

One profile ``demo``, modes ``basic,mtls`` with own certificates only, also served at the
root. The first device is enrolled through the real network path before ``ready`` is
written; started again, everything that was there is used again.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from certctl.cli.admin_key import AdminKeyFailed, keep_admin_key
from certctl.cli.first_device import FirstDevice, FirstDeviceFailed, enroll_first_device
from certctl.cli.welcome import welcome
from certctl.settings import SettingsRefused, load_settings
from certctl.settings.render import render_findings
from certctl.wiring.serve import Served, serve
from certctl.wiring.status import EXIT_FAILED, EXIT_REFUSED

PROFILE = "demo"
ADMIN_KEY_FILE = "admin-key"
SETTINGS_FILE = "certctl.env"
# What a person may still set from outside; everything else would contradict the demo.
KEPT_VARIABLES = (
    "CERTCTL_WORKERS",
    "CERTCTL_LOG_LEVEL",
    "CERTCTL_LOG_FORMAT",
    "CERTCTL_PKI_HTTP_PORT",
    "CERTCTL_OCSP_RATE_LIMIT_PER_IP_MIN",
    # A proxy before a trial is still a proxy: without it, its certificate is a device's.
    "CERTCTL_TRUSTED_PROXIES",
)
SECRET_OCTETS = 18
SETTINGS_HEAD = """\
# What `certctl-server quickstart` runs with, written at each of its starts.
# For the commands on this host: certctl-server COMMAND --config THIS_FILE.
# To go on from here, copy it, edit the copy, and run certctl-server serve --config COPY."""


def quickstart(directory: Path, *, host: str, port: int, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; gives the exit code."""
    directory = directory.absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        password_file = _secret_file(directory / "enrollment-password")
    except OSError as err:
        print(f"Cannot use {directory}: {err.strerror}.", file=sys.stderr)
        return EXIT_REFUSED
    variables = _variables(directory, password_file, host=host, port=port, environ=environ)
    try:
        settings = load_settings(variables, None)
    except SettingsRefused as refused:
        print(render_findings(refused.findings), file=sys.stderr)
        return EXIT_REFUSED

    def on_ready(served: Served) -> int:
        _write_atomically(directory / SETTINGS_FILE, settings_file(variables))
        try:
            keep_admin_key(settings, directory / ADMIN_KEY_FILE)
        except AdminKeyFailed as failed:
            print(f"The admin key could not be made: {failed}", file=sys.stderr)
            return EXIT_FAILED
        return _greet(served, directory=directory, password_file=password_file)

    return serve(settings, on_ready=on_ready, ready_file=directory / "ready")


def _greet(served: Served, *, directory: Path, password_file: Path) -> int:
    """Once the server answers: publish the CA, enroll the first device, say how to go on."""
    ca_file = directory / "ca.pem"
    ca_file.write_bytes(served.ca_file.read_bytes())
    try:
        device = enroll_first_device(
            FirstDevice(directory=directory / "device", ca_file=ca_file),
            url=served.url,
            profile=PROFILE,
            password=password_file.read_text().strip(),
        )
    except FirstDeviceFailed as failed:
        print(f"The first device could not be enrolled: {failed}", file=sys.stderr)
        return EXIT_FAILED
    print(welcome(served.url, directory=directory, profile=PROFILE, device=device), flush=True)
    _write_atomically(
        directory / "ready", json.dumps({"url": served.url, "pid": served.pid}) + "\n"
    )
    return 0


def _variables(
    directory: Path, password_file: Path, *, host: str, port: int, environ: Mapping[str, str]
) -> dict[str, str]:
    kept = {name: environ[name] for name in KEPT_VARIABLES if name in environ}
    infix = f"CERTCTL_EST_PROFILE_{PROFILE.upper()}_"
    return kept | {
        "CERTCTL_SERVER_HOST": host,
        "CERTCTL_SERVER_PORT": str(port),
        "CERTCTL_DATA_DIR": str(directory / "data"),
        "CERTCTL_EST_ENABLED": "true",
        "CERTCTL_EST_REQUIRE_AUTH": "true",
        "CERTCTL_EST_PROFILES": PROFILE,
        "CERTCTL_EST_ROOT_PROFILE": PROFILE,
        f"{infix}ISSUER_ID": "iss-local",
        f"{infix}ALLOWED_AUTH_MODES": "basic,mtls",
        f"{infix}MTLS_OWN_ONLY": "true",
        f"{infix}ENROLLMENT_PASSWORD_FILE": str(password_file),
    }


def settings_file(variables: Mapping[str, str]) -> str:
    """The settings of this start as a file for ``--config``."""
    lines = [f"{name}={_quoted(value)}" for name, value in sorted(variables.items())]
    return "\n".join((SETTINGS_HEAD, *lines, ""))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("$", "\\$").replace("`", "\\`")
    return f'"{escaped}"'


def _secret_file(path: Path) -> Path:
    """Made once, 0600 from its first moment, kept on every later start."""
    if not path.exists():
        _write_atomically(path, secrets.token_urlsafe(SECRET_OCTETS) + "\n", mode=0o600)
    return path


def _write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
