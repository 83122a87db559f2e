"""``scripts/fuzz``: every target for a while, and a table of what happened on standard output.

Findings are kept in a folder and make the exit code 1. A mended one goes, under a name
that says what it was, to ``tests/fuzz/found/<target>/``, where the tests replay it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
GRACE_S = 120
"""Beyond its time, for a child that still has to start or to write."""

_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_CORPUS = re.compile(r"corp: (\d+)/")
_AT = re.compile(r"^#(\d+)\s", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one target's run came to."""

    name: str
    seconds: float
    executions: int
    corpus: int
    findings: tuple[Path, ...]
    exit_code: int
    slowest_ms: float
    slowest_octets: int

    def line(self) -> str:
        found = len(self.findings) or ("none" if self.exit_code == 0 else "died")
        return (
            f"| {self.name} | {self.seconds:.0f} | {self.executions:,} "
            f"| {self.executions / self.seconds:,.0f} | {self.corpus} | {found} "
            f"| {self.slowest_ms:.1f} ms ({self.slowest_octets:,} octets) |"
        )


def main() -> int:
    """0 when no law was broken and no child died."""
    arguments = _arguments()
    names = arguments.target or list(TARGETS)
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="certctl-fuzz-"))
    _say(f"{arguments.engine}, seed {arguments.seed}, Python {platform.python_version()}")
    _say(f"in {folder}\n")
    _say("| target | seconds | executions | per second | corpus | findings | slowest input |")
    _say("|---|---|---|---|---|---|---|")
    good = True
    with ThreadPoolExecutor(arguments.parallel) as pool:
        for row in pool.map(lambda name: _run(TARGETS[name], folder / name, arguments), names):
            _say(row.line())
            for path in row.findings:
                _say(f"  {row.name}: {path}")
            good = good and row.exit_code == 0 and not row.findings
    return 0 if good else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=600, help="of each target (600)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="may be repeated; all")
    parser.add_argument("--parallel", type=int, default=1, help="targets at a time (1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="keeps corpus, log and findings; a new one")
    guided = importlib.util.find_spec("atheris") is not None
    parser.add_argument(
        "--engine", choices=("guided", "blind"), default="guided" if guided else "blind"
    )
    return parser.parse_args()


def _run(target: Target, work: Path, arguments: argparse.Namespace) -> Row:
    work.mkdir(parents=True, exist_ok=True)
    (work / "tmp").mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.child", target.name),
        *("--engine", arguments.engine, "--seconds", str(arguments.seconds)),
        *("--seed", str(arguments.seed), "--work", str(work)),
    ]
    environment = os.environ | {"PYTHONPATH": "src:.", "TMPDIR": str(work / "tmp")}
    begin = time.monotonic()
    with (work / "log").open("wb") as log:
        try:
            exit_code = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                timeout=arguments.seconds + GRACE_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            exit_code = -1
    seconds = time.monotonic() - begin
    return _row(target, work, seconds=seconds, exit_code=exit_code)


def _row(target: Target, work: Path, *, seconds: float, exit_code: int) -> Row:
    log = (work / "log").read_text(errors="replace")
    executed = _EXECUTED.findall(log) or _AT.findall(log) or ["0"]
    corpus = _CORPUS.findall(log) or [str(len(target.corpus()))]
    slowest = work / "slowest"
    data = slowest.read_bytes() if slowest.exists() else b""
    return Row(
        name=target.name,
        seconds=seconds,
        executions=int(executed[-1]),
        corpus=int(corpus[-1]),
        findings=tuple(sorted((work / "findings").glob("*"))),
        exit_code=exit_code,
        slowest_ms=_time_again(target, data),
        slowest_octets=len(data),
    )


def _time_again(target: Target, data: bytes) -> float:
    """Milliseconds without the search's instruments and the machine's other business."""
    best = float("inf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(5):
            begin = time.thread_time()
            try:
                target.law(data)
            except Exception:  # noqa: BLE001 - already reported as a finding
                return 0.0
            best = min(best, time.thread_time() - begin)
    return best * 1000


if __name__ == "__main__":
    sys.exit(main())
