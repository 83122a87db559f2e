"""Compiles the two C programs of the bench into ``bench/build/``.

They are small, so each is compiled whole, and only when a source is newer than
the program. A missing compiler or missing OpenSSL headers are installed when
the bench runs as root on Debian, and named with the command to type otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "c"
BUILD = HERE / "build"
PACKAGES = ("gcc", "libc6-dev", "libssl-dev")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
MODULES = {
    "load": ("load", "client", "bound", "stall", "pool", "stats", "http", "options", "network"),
    "bare_server": ("bare_server", "http", "stats"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    load: Path
    bare_server: Path
    openssl: str
    """Version of the library that both are linked with."""


def build() -> Programs:
    """Compile what is out of date; raises BenchError with the compiler's words."""
    BUILD.mkdir(exist_ok=True)
    if not _can_compile():
        _install()
    paths = {name: _compile(name, modules) for name, modules in MODULES.items()}
    version = subprocess.run([paths["load"], "--version"], capture_output=True, check=True)
    return Programs(
        load=paths["load"],
        bare_server=paths["bare_server"],
        openssl=version.stdout.decode().strip(),
    )


def _can_compile() -> bool:
    if shutil.which("cc") is None:
        return False
    probe = subprocess.run(
        ["cc", "-E", "-x", "c", "-"],
        input=b"#include <stdio.h>\n#include <openssl/ssl.h>\n",
        capture_output=True,
        check=False,
    )
    return probe.returncode == 0


def _install() -> None:
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BenchError(
            "the bench needs a C compiler and the OpenSSL headers; on Debian:\n"
            f"  sudo {' '.join(command)}"
        )
    print("installing", *PACKAGES, flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0 or not _can_compile():
        raise BenchError(f"{' '.join(command)} failed:\n{done.stderr}")


def _compile(name: str, modules: tuple[str, ...]) -> Path:
    program = BUILD / name
    sources = [SOURCES / f"{module}.c" for module in modules]
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    command: list[str | Path] = ["cc", *FLAGS, "-o", program, *sources, "-lssl", "-lcrypto"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{name} does not compile:\n{done.stderr}")
    return program
