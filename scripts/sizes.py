"""Fails when a source file has outgrown one idea: 500 lines, tests and C included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIMIT = 500
KINDS = {".py", ".c", ".h", ".java", ".js", ".css", ".html", ".sh"}


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    )
    too_long = []
    for name in listed.stdout.splitlines():
        path = Path(name)
        if path.suffix in KINDS and path.exists():
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LIMIT:
                too_long.append(f"{name}: {lines} lines, at most {LIMIT}")
    for line in too_long:
        print(line, file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
