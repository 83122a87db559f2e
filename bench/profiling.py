"""Flame graphs of the server under load, taken with py-spy when it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.errors import BenchError

SAMPLES_PER_SECOND = 200


def require() -> None:
    """Raises BenchError when py-spy is not on the path."""
    if shutil.which("py-spy") is None:
        raise BenchError("--profile needs py-spy on the path: uv tool install py-spy")


def record(root: int, seconds: float, target: Path) -> None:
    """Sample the process and its descendants; returns when the graph is written.

    Sampling stops the processes again and again: rates of such a run are no
    figures, only the shares in the graph are.
    """
    command = ["py-spy", "record", "--pid", str(root), "--subprocesses"]
    command += ["--rate", str(SAMPLES_PER_SECOND), "--duration", str(max(1, round(seconds)))]
    command += ["--format", "flamegraph", "--output", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"py-spy failed: {done.stderr.strip()}")
