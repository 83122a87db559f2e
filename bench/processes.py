"""CPU time and memory of a process tree, read from /proc (Linux only)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LISTEN = "0A"
ZOMBIE = "Z"
SETTLED_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Proportional set size (bytes) of one process: shared pages count in parts."""

    pid: int
    command: str
    pss: int
    listens: bool
    """It holds a socket that listens on the port asked for: a worker."""


def tree(root: int) -> list[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                state, parent = _stat(int(entry.name))[:2]
            except BenchError:
                continue  # it ended while we were looking
            if state != ZOMBIE:
                children.setdefault(int(parent), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def settle(root: int) -> None:
    """Wait until the tree has stayed the same for a second: what only a start needs has ended."""
    known, since = tree(root), time.monotonic()
    while time.monotonic() < since + SETTLED_SECONDS:
        time.sleep(SETTLED_SECONDS / 10)
        found = tree(root)
        if found != known:
            known, since = found, time.monotonic()


def cpu_seconds(pids: list[int]) -> float:
    """User and system time, with that of children already waited for.

    Raises BenchError when one of them is gone: a server that lost a process while
    it was measured has no figure.
    """
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields[0] == ZOMBIE:
            raise BenchError(f"process {pid} ended while it was measured")
        ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return ticks / TICKS_PER_SECOND


def memory(root: int, port: int) -> list[Memory]:
    """One entry per process of the tree."""
    listening = _listening_sockets(port)
    return [
        Memory(
            pid=pid,
            command=_command(pid),
            pss=_pss(pid),
            listens=not listening.isdisjoint(_sockets(pid)),
        )
        for pid in tree(root)
    ]


def total_pss(root: int) -> int:
    """Bytes of the whole tree."""
    return sum(_pss(pid) for pid in tree(root))


def pinned(cpus: list[int] | None) -> list[str]:
    """What to put before a command to bind it to these cores.

    taskset replaces itself by the command, so the process stays the one started.
    """
    return [] if cpus is None else ["taskset", "-c", ",".join(map(str, cpus))]


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (the name may hold blanks)."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as err:
        raise BenchError(f"process {pid} ended while it was measured") from err
    return text.rpartition(")")[2].split()


def _pss(pid: int) -> int:
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no Pss in smaps_rollup")


def _command(pid: int) -> str:
    words = (PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return " ".join(Path(word.decode(errors="replace")).name for word in words)


def _listening_sockets(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return inodes


def _sockets(pid: int) -> set[str]:
    targets = set()
    for link in (PROC / str(pid) / "fd").iterdir():
        try:
            targets.add(str(link.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return targets
