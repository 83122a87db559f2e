"""Small powers of one Linux process: end with the parent, keep out of dumps."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def die_with_parent(parent: int) -> None:
    """Be killed when the parent dies: a tree without its supervisor must not linger,
    holding the port and the database against the one that replaces it.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def share_cores() -> None:
    """Let siblings finish what they are at: waking up takes no core from one that works.

    Linux' SCHED_BATCH (sched(7)) keeps the share of the time, and saves caches: adr/0015.
    Whoever has given the tree a class of its own keeps it; where it is forbidden, nothing
    is lost.
    """
    if os.sched_getscheduler(0) == os.SCHED_OTHER:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def keep_out_of_dumps() -> None:
    """No core file and no ptrace by this user's other processes: keys are in here."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def name_process(name: str) -> None:
    """What ``ps`` and ``top`` show as command (15 characters)."""
    _prctl_text(PR_SET_NAME, name)


def keep_freed_memory() -> None:
    """Leave some megabytes of what is freed with the process (mallopt(3)).

    Pieces of a CRL come by the megabyte, a hundred a second. To give each back to the kernel,
    and have the next one cleared page by page, takes a tenth of what such a list costs. Other
    C libraries than glibc are left as they are.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 4 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 16 << 20)


def raise_file_limit() -> None:
    """Connections are files: take what the administrator allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _prctl_text(option: int, text: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(option, ctypes.c_char_p(text.encode()[:15]), 0, 0, 0)


def holder_name() -> str:
    """This process as the holder of leases: machine, process, and when it began.

    The kernel gives a process id again; with the time of its beginning it is unique until
    the machine starts anew.
    """
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Whether a holder of leases was a process of this machine that has ended."""
    machine, _, process = holder.partition("/")
    number, _, began = process.partition("/")
    if machine != socket.gethostname() or not number.isdigit():
        return False
    return _began(int(number)) != began


def _began(pid: int) -> str:
    """Clock ticks from the machine's start to the process's; empty for one that is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in parentheses may hold anything; field 22 is the 20th after it.
    return stat.rpartition(")")[2].split()[19]
