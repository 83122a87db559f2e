"""The machine and the versions that a figure is worth nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from cryptography.hazmat.backends.openssl.backend import backend

from bench.build import HERE, Programs


def machine(programs: Programs, folder: Path) -> dict[str, str]:
    """What the report opens with; the folder is where the stores lie."""
    return {
        "CPU": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "store on": _file_system(folder),
        "Python": platform.python_version(),
        "TLS of the server": backend.openssl_version_text(),
        "TLS of the C server": programs.bare_tls,
        "TLS of the load generator": programs.load_tls,
        "commit": _commit(),
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def cpu_ticks() -> tuple[int, int]:
    """Ticks of all cores since boot: all of them, and those stolen by the host."""
    fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return sum(fields), fields[7]


def stolen(before: tuple[int, int]) -> str:
    """Share of CPU time that the virtual machine's host took since then."""
    total, steal = (now - then for now, then in zip(cpu_ticks(), before, strict=True))
    return f"{100 * steal / max(total, 1):.1f} % of CPU time"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Type of the file system: on tmpfs a durable write costs nothing."""
    done = subprocess.run(
        ["stat", "--file-system", "--format=%T", folder], capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=HERE,
        capture_output=True,
        check=False,
    )
    return done.stdout.decode().strip() or "none"
