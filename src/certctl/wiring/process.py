"""Small powers of one Linux process: end with the parent, keep out of dumps."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15


def die_with_parent(parent: int) -> None:
    """Be killed when the parent dies: a tree without its supervisor must not linger,
    holding the port and the database against the one that replaces it.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def keep_out_of_dumps() -> None:
    """No core file and no ptrace by this user's other processes: keys are in here."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)


def name_process(name: str) -> None:
    """What ``ps`` and ``top`` show as command (15 characters)."""
    _prctl_text(PR_SET_NAME, name)


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
