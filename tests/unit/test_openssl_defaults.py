"""OpenSSL's own configuration: ours where nobody has another, and never handed on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from certctl.openssl_defaults import FILE, VARIABLE

# What a program started from here would inherit, after the library was loaded.
SEEN = f"""
import os
from certctl.openssl_defaults import apply_openssl_defaults
apply_openssl_defaults()
print(os.environ.get({VARIABLE!r}))
"""


def seen(**environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", SEEN],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


def test_programs_started_from_here_do_not_inherit_ours() -> None:
    assert seen() == "None"


def test_an_operators_own_stands(tmp_path: Path) -> None:
    own = tmp_path / "openssl.cnf"
    own.write_text("openssl_conf = site\n[site]\n", "ascii")
    assert seen(**{VARIABLE: str(own)}) == str(own)


def test_the_file_is_part_of_the_package() -> None:
    assert FILE.is_file()
