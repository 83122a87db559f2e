"""A CA outside: the openssl example of the docs, and a program around it that can fail."""

from __future__ import annotations

import contextlib
import fcntl
import re
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from certctl.authority.commands import (
    FinishJob,
    JobFinished,
    LeaseAnswer,
    Reconciled,
    ReconcileIntents,
    TakeLease,
)
from certctl.authority.reconcile import JOB
from certctl.domain.intent import Intent, IntentStatus
from certctl.settings.env import load_settings
from certctl.wiring import host
from tests.harness.server import RunningServer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "script-issuer.md"
INSTALLED = "/etc/certctl/corp"
WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.02

# What the program does is read from the file ``mood`` beside it: lines of shell. ``$order``
# is what it was given; each run leaves a line in ``calls``. ``gate`` waits until the test
# opens it, for a minute at most.
UNRELIABLE = """#!/bin/sh
here=$(dirname "$0")
order=$(cat)
good() { printf %s "$order" | "$here/sign"; }
gate() { n=0; while [ ! -e "$here/open" ] && [ $n -lt 1200 ]; do n=$((n+1)); sleep 0.05; done; }
changed() { printf %s "$order" | python3 -c "import json,sys
o = json.load(sys.stdin); o.update($1); print(json.dumps(o))" | "$here/sign"; }
mood=$(cat "$here/mood")
echo called >> "$here/calls"
eval "$mood"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideCA:
    """The folder of the docs' example, and the settings that name its programs."""

    directory: Path

    def settings(
        self, issuer: str = "corp", *, find: bool = True, timeout: str = "20s"
    ) -> dict[str, str]:
        """An issuer (names without ``CERTCTL_``) whose ``sign`` is the unreliable one."""
        prefix = f"ISSUER_{issuer.upper()}"
        made = {
            f"{prefix}_TYPE": "script",
            f"{prefix}_CA_CERT_PATH": str(self.directory / "ca.pem"),
            f"{prefix}_SIGN": str(self.directory / "unreliable"),
            f"{prefix}_REVOKE": str(self.directory / "revoke"),
            f"{prefix}_TIMEOUT": timeout,
        }
        if find:
            made[f"{prefix}_FIND"] = str(self.directory / "find")
        return made

    def mood(self, shell: str = "good") -> None:
        """What the next runs of ``sign`` do; the gate is shut."""
        self.shut()
        written = self.directory / "mood.new"
        written.write_text(shell + "\n")
        written.rename(self.directory / "mood")

    def open(self) -> None:
        """Let through who waits at the gate, and everybody after."""
        (self.directory / "open").touch()

    def shut(self) -> None:
        (self.directory / "open").unlink(missing_ok=True)

    def calls(self) -> int:
        """How often ``sign`` was run so far."""
        path = self.directory / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_calls(self, number: int) -> None:
        """Until ``sign`` was run so often."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.calls() < number:
            assert time.monotonic() < deadline, f"{self.calls()} calls, not {number}"
            time.sleep(PAUSE_SECONDS)

    def wait_issued(self, number: int) -> None:
        """Until the CA has so many certificates in its index."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.index()) < number:
            assert time.monotonic() < deadline, f"{len(self.index())} certificates, not {number}"
            time.sleep(PAUSE_SECONDS)

    def index(self) -> list[tuple[str, str]]:
        """(V or R, serial number in hexadecimal) of each certificate the CA has issued."""
        # openssl puts a new file in place of the old one, in two steps.
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lines = (self.directory / "index.txt").read_text().splitlines()
        rows = [line.split("\t") for line in lines]
        return [(row[0], f"{int(row[3], 16):x}") for row in rows]

    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.directory / "ca.pem").read_bytes())


def outside_ca(directory: Path) -> OutsideCA:
    """Set up by the commands of the docs' page, ``directory`` in place of its folder."""
    commands = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script = "set -eu\n" + commands[0].replace(INSTALLED, str(directory))
    subprocess.run(["sh", "-c", script], cwd=ROOT, check=True, capture_output=True, timeout=60)
    program = directory / "unreliable"
    program.write_text(UNRELIABLE)
    program.chmod(0o755)
    made = OutsideCA(directory=directory)
    made.mood()
    return made


def intents(server: RunningServer) -> Sequence[Intent]:
    records = server.records()
    try:
        return records.intents(limit=1_000)
    finally:
        records.close()


def wait_intent(server: RunningServer, common_name: str, *statuses: IntentStatus) -> Intent:
    """The newest intent for this name, once it has one of these statuses."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = [each for each in intents(server) if each.subject == f"CN={common_name}"]
        if found and found[-1].status in statuses:
            return found[-1]
        assert time.monotonic() < deadline, found
        time.sleep(PAUSE_SECONDS)


def pass_deadlines(server: RunningServer) -> None:
    """Move the deadlines of all open intents into the past, behind the server's back."""
    with contextlib.closing(sqlite3.connect(server.database, timeout=10)) as database, database:
        database.execute("UPDATE intents SET deadline_us = 1 WHERE status = 'open'")


def reconcile(server: RunningServer) -> Reconciled:
    """What the job does each minute, now; with all deadlines moved into the past."""
    pass_deadlines(server)
    settings = load_settings(server.environment, None, check_files=False)
    take = TakeLease(job=JOB, holder="test", every_us=0, lease_us=60_000_000)
    deadline = time.monotonic() + WAIT_SECONDS
    while (fence := host.run_command(settings, take, LeaseAnswer).fence) is None:
        assert time.monotonic() < deadline
        time.sleep(PAUSE_SECONDS)
    done = host.run_command(settings, ReconcileIntents(fence=fence), Reconciled)
    host.run_command(settings, FinishJob(job=JOB, fence=fence, outcome="ok"), JobFinished)
    return done


def page_settings(directory: Path) -> dict[str, str]:
    """The settings of the docs' page (names without ``CERTCTL_``), exactly as they stand."""
    [block] = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line.removeprefix("CERTCTL_").partition("=") for line in block.split()]
    return {name: value.replace(INSTALLED, str(directory)) for name, _, value in lines}
