"""Starts a server by its settings, where the quick start has not what is measured."""

from __future__ import annotations

import os
import secrets
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.errors import BenchError
from bench.server import POLL_SECONDS, READY_SECONDS, Certctl, free_port


def new_password(directory: Path) -> Path:
    """The file with a new enrollment password, where ``Certctl`` looks for it."""
    path = directory / "enrollment-password"
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe() + "\n")
    return path


def start_demo(
    command: Path, directory: Path, *, workers: int, variables: Mapping[str, str]
) -> Certctl:
    """``start_configured`` with the profile ``demo`` of the quick start: Basic, a new password."""
    password = new_password(directory)
    demo = {
        "WORKERS": str(workers),
        "EST_ENABLED": "true",
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD_FILE": str(password),
    }
    return start_configured(command, directory, demo | dict(variables))


def start_configured(command: Path, directory: Path, variables: Mapping[str, str]) -> Certctl:
    """``serve`` on a free port, its data in the directory; returns when it serves."""
    port, log = free_port(), directory.with_suffix(".log")
    given = {
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(port),
        "DATA_DIR": str(directory / "data"),
    } | dict(variables)
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [command, "serve"],
            env=os.environ | {f"CERTCTL_{name}": value for name, value in given.items()},
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


def _serves(authority: Path, port: int) -> bool:
    try:
        context = ssl.create_default_context(cafile=authority)
        with urlopen(f"https://localhost:{port}/ready", context=context, timeout=5):
            return True
    except (OSError, URLError):
        return False
