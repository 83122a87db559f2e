"""pkilint as a judge of what we sign: anything above a notice is a fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def findings(linter: str, der: bytes, folder: Path, *options: str) -> str:
    """What ``lint_crl``, ``lint_ocsp_response`` or ``lint_pkix_cert`` has to say; empty is good."""
    path = folder / f"{linter}.der"
    path.write_bytes(der)
    done = subprocess.run(
        [
            Path(sys.executable).with_name(linter),
            "lint",
            *("-s", "WARNING", "--document-format", "DER"),
            *options,
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return done.stdout if done.returncode else ""
