"""Foreign programs: found, or named with the package that brings them; and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

RUN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a program did; ``said`` is all it printed, for the failure's text."""

    code: int
    output: bytes
    said: str


def need(thing: str, *, package: str) -> str:
    """Path of a program or file. Skips loudly when it is missing, and fails where CI=true."""
    found = thing if Path(thing).is_absolute() and Path(thing).exists() else shutil.which(thing)
    if found is not None:
        return found
    missing = f"{thing} is missing: apt-get install {package} (or run scripts/_test_tools as root)"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def run(
    command: Sequence[str | Path],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
) -> Ran:
    """Run to its end, with bounded time; never raises for its exit code."""
    finished = subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        input=given,
        capture_output=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    said = finished.stdout.decode(errors="replace") + finished.stderr.decode(errors="replace")
    return Ran(code=finished.returncode, output=finished.stdout, said=said)


def shell(lines: str, *, directory: Path) -> Ran:
    """Lines as a person types them into bash; the first that fails ends it, also in a pipe."""
    bash = need("bash", package="bash")
    return run([bash, "-euo", "pipefail", "-c", lines], directory=directory)
