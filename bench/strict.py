"""A server with every gate on: what a careful operator would run.

Channel binding required, a certificate profile with patterns for subject and SANs,
a limit per principal, own certificates only, all judged with each request.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.errors import BenchError
from bench.server import POLL_SECONDS, READY_SECONDS, Certctl, free_port

RULES = {
    "allowed_key_algorithms": [{"algorithm": "ECDSA", "min_size": 256}],
    "required_subject_patterns": {"CN": r"device-[0-9]{7}\.bench\.example"},
    "required_san_patterns": [r"dns:device-[0-9]{7}\.bench\.example"],
    "max_sans": 1,
    "name_constraints": {"permitted": ["dns:bench.example"]},
}


def start_strict(command: Path, directory: Path, *, workers: int) -> Certctl:
    """The server on a free port, its store in the directory; returns when it serves."""
    directory.mkdir(parents=True)
    port, log = free_port(), directory.with_suffix(".log")
    variables = _variables(directory, port=port, workers=workers)
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [command, "serve"],
            env=os.environ | {f"CERTCTL_{name}": value for name, value in variables.items()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    ours = Certctl(
        process=process, port=port, log=log, directory=directory, host="localhost", ready_seconds=0
    )
    authority = directory / "data" / "ca-iss-local.pem"
    while not _serves(authority, port):
        if process.poll() is not None or time.monotonic() > began + READY_SECONDS:
            process.kill()
            raise BenchError(f"{command} did not become ready:\n{log.read_text()[-2000:]}")
        time.sleep(POLL_SECONDS)
    ours.ca.write_bytes(authority.read_bytes())
    ours.ready_seconds = time.monotonic() - began
    return ours


def _variables(directory: Path, *, port: int, workers: int) -> dict[str, str]:
    rules = directory / "certificate-profiles"
    rules.mkdir()
    lines = [f"{field} = {_toml(value)}\n" for field, value in RULES.items()]
    (rules / "strict.toml").write_text("".join(lines))
    password = directory / "enrollment-password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe() + "\n")
    profile = "EST_PROFILE_DEMO_"
    return {
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(port),
        "DATA_DIR": str(directory / "data"),
        "WORKERS": str(workers),
        "CERTIFICATE_PROFILES_DIR": str(rules),
        "EST_ENABLED": "true",
        "EST_REQUIRE_AUTH": "true",
        "EST_PROFILES": "demo",
        f"{profile}ISSUER_ID": "iss-local",
        f"{profile}PROFILE_ID": "strict",
        f"{profile}ALLOWED_AUTH_MODES": "basic,mtls",
        f"{profile}MTLS_OWN_ONLY": "true",
        f"{profile}ENROLLMENT_PASSWORD_FILE": str(password),
        f"{profile}CHANNEL_BINDING_REQUIRED": "true",
        f"{profile}RATE_LIMIT_PER_PRINCIPAL_24H": "100",
        f"{profile}IDENTITY_BINDING": "subject",
    }


def _toml(value: object) -> str:
    """JSON of plain values is TOML as well, tables aside."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _serves(authority: Path, port: int) -> bool:
    try:
        context = ssl.create_default_context(cafile=authority)
        with urlopen(f"https://localhost:{port}/ready", context=context, timeout=5):
            return True
    except (OSError, URLError):
        return False
