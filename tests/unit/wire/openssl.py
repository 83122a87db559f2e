"""The openssl program as a second opinion."""

from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    """Run openssl with ``given`` on its standard input and give what it prints."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=given, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_request(folder: Path, *options: str, config: str = "", text: bool = False) -> bytes:
    """``openssl req -new`` with a new key of ``options``; PEM, or DER without ``text``."""
    written = folder / "req.cnf"
    written.write_text(config or "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=device-1\n")
    return openssl(
        *("req", "-new", "-nodes", "-config", written, "-keyout", folder / "key.pem"),
        *options,
        *(("-text",) if text else ("-outform", "DER")),
    )
