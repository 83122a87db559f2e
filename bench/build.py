"""Compiles the two C programs of the bench into ``bench/build/``.

They are small, so each is compiled whole, and only when a source is newer than
the program. A missing compiler or missing headers are installed when the bench
runs as root on Debian, and named with the command to type otherwise.

The load generator shares the cores with the server it measures, so it should take
little of them. It speaks TLS with BoringSSL where Debian's package of that is to be
had: there reading the server's certificate takes 7 us, with OpenSSL 3.0 160, a quarter
of all it does for a connection. The C server stays with the OpenSSL of the system.
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
BORING_PACKAGE = "android-libboringssl-dev"
BORING_HEADERS = Path("/usr/include/android")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
MODULES = {
    "load": ("load", "client", "bound", "stall", "pool", "stats", "http", "options", "network"),
    "bare_server": ("bare_server", "http", "stats"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    load: Path
    bare_server: Path
    load_tls: str
    """The library that the load generator is linked with, and its version."""
    bare_tls: str
    """The same of the C server."""


def build() -> Programs:
    """Compile what is out of date; raises BenchError with the compiler's words."""
    BUILD.mkdir(exist_ok=True)
    if not _can_compile():
        _install()
    if not BORING_HEADERS.exists() and _may_install():
        _apt(BORING_PACKAGE)
    load = _compile("load", _boring() if BORING_HEADERS.exists() else ())
    bare = _compile("bare_server", ())
    return Programs(load=load, bare_server=bare, load_tls=_version(load), bare_tls=_version(bare))


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, check=True)
    return done.stdout.decode().strip()


def _boring() -> tuple[str, ...]:
    """Debian keeps it beside OpenSSL, whose names it has."""
    asked = subprocess.run(["cc", "-print-multiarch"], capture_output=True, check=True)
    libraries = f"/usr/lib/{asked.stdout.decode().strip()}/android"
    return (f"-I{BORING_HEADERS}", f"-L{libraries}", f"-Wl,-rpath,{libraries}")


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
    if not _may_install():
        raise BenchError(
            "the bench needs a C compiler and the OpenSSL headers; on Debian:\n"
            f"  sudo apt-get install {' '.join(PACKAGES)}"
        )
    said = _apt(*PACKAGES)
    if not _can_compile():
        raise BenchError(f"installing {' '.join(PACKAGES)} failed:\n{said}")


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(*packages: str) -> str:
    """Install packages, if they are to be had; gives what apt-get said of its trouble."""
    print("installing", *packages, flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", *packages],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stderr


def _compile(name: str, flags: tuple[str, ...]) -> Path:
    program = BUILD / name
    sources = [SOURCES / f"{module}.c" for module in MODULES[name]]
    newest = max(path.stat().st_mtime for path in (*SOURCES.iterdir(), Path(__file__)))
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    command: list[str | Path] = ["cc", *FLAGS, "-o", program, *sources, *flags, "-lssl", "-lcrypto"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{name} does not compile:\n{done.stderr}")
    return program
