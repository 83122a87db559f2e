"""Servers on one PostgreSQL database: nodes of one installation."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

# What the operator carries to a further node; its name is its own.
SHARED = ("ca-iss-local.key", "ca-iss-local.pem", "audit.key", "audit.pub", "api.pepper")


def node(directory: Path, url: str, environment: Mapping[str, str]) -> RunningServer:
    """A server of its own on the database; ``start`` it."""
    directory.mkdir(exist_ok=True)
    return configured_server(directory, {"DATABASE_URL": url, "WORKERS": "1"} | dict(environment))


def second_node(first: RunningServer, directory: Path) -> RunningServer:
    """Another node with the CA of the first, which has made it."""
    environment = {
        name.removeprefix("CERTCTL_"): value for name, value in first.environment.items()
    }
    for own in ("DATA_DIR", "SERVER_PORT"):
        del environment[own]
    second = node(directory, environment["DATABASE_URL"], environment)
    target = second.ca_file.parent
    target.mkdir(mode=0o700)
    for name in SHARED:
        shutil.copy2(first.ca_file.with_name(name), target / name)
    return second


def command(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A host command of this server."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
