"""``certctl-server`` commands with a server's own settings, run to their end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.harness.server import PROGRAM, RunningServer, clean_environment

COMMAND_SECONDS = 60


def command_of(
    server: RunningServer, *arguments: str, settings: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment; ``settings`` are names without ``CERTCTL_``."""
    changed = {f"CERTCTL_{name}": value for name, value in (settings or {}).items()}
    return [PROGRAM, *arguments], clean_environment(server.environment | changed)


def run_command(
    server: RunningServer,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """``before`` are words that run the command, such as ``prlimit``."""
    command, environment = command_of(server, *arguments, settings=settings)
    return subprocess.run(
        [*before, *command],
        env=environment,
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def data_of(server: RunningServer) -> Path:
    return Path(server.environment["CERTCTL_DATA_DIR"])
