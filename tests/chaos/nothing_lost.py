"""Load from many devices while processes of the server are killed; nothing may get lost.

The promises: records §1 (1, 2, 3 and 7). The order of kills follows from a seed, the
moments they hit do not.
"""

from __future__ import annotations

import random
import time
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.killer import Kind, NotBack, Probe, Recovery, Tree
from tests.chaos.load import ANSWER_SECONDS, Client, Ledger, NoAnswer, applicant
from tests.chaos.verdict import Verdict, judge
from tests.harness.device import Device
from tests.harness.server import RunningServer, quickstart_server

WORKERS = 2
LONGEST_PAUSE_SECONDS = 0.4
"""Between two kills: sometimes none, sometimes some hundred enrollments."""
HASTY = 1 / 4
"""Share of kills after which the next one does not wait for the whole tree."""


@dataclass(slots=True, kw_only=True)
class NothingLost:
    """What was done and what came of it; good when ``problems`` is empty."""

    recoveries: list[Recovery] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    attempts: int = 0
    broken: int = 0
    unavailable: int = 0
    seconds: float = 0.0

    def kills(self) -> dict[Kind, int]:
        tally = Tally(each.kind for each in self.recoveries)
        return {kind: tally[kind] for kind in Kind}

    def served(self, kind: Kind | None = None) -> list[float]:
        """Seconds until a fresh client was enrolled again, shortest first."""
        return sorted(e.served for e in self.recoveries if kind is None or e.kind is kind)


def run_nothing_lost(
    directory: Path,
    *,
    kills: int,
    clients: int,
    seed: int,
    think_seconds: float,
    progress: Callable[[str], None],
) -> NothingLost:
    """Run it in ``directory``, which must be empty; the server is stopped at the end."""
    found = NothingLost()
    ledger = Ledger()
    devices = directory / "devices"
    devices.mkdir()
    began = time.monotonic()
    server = quickstart_server(directory, environment={"CERTCTL_WORKERS": str(WORKERS)})
    with server:
        caller = applicant(server, ledger)
        load = [
            Client(number, caller, directory=devices, think_seconds=think_seconds)
            for number in range(1, clients + 1)
        ]
        for client in load:
            client.start()
        try:
            _kill_often(server, ledger, found, kills=kills, seed=seed, progress=progress)
        except (NotBack, NoAnswer) as failed:
            found.problems.append(str(failed))
        for client in load:
            client.stop()
        for client in load:
            client.join(2 * ANSWER_SECONDS)
            if client.is_alive():
                found.problems.append(f"{client.name} still waits for an answer")
        if (code := server.stop()) != 0:
            found.problems.append(f"SIGTERM ended the server with {code}")
    found.seconds = time.monotonic() - began
    found.attempts, found.broken = ledger.attempts, ledger.broken
    found.unavailable = ledger.unavailable
    found.verdict, _ = judge(server.database, ledger.received)
    found.problems += [*ledger.problems, *found.verdict.problems]
    return found


def _kill_often(
    server: RunningServer,
    ledger: Ledger,
    found: NothingLost,
    *,
    kills: int,
    seed: int,
    progress: Callable[[str], None],
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret is made of it
    caller = applicant(server, ledger)
    tree = Tree(server)
    for number in range(1, kills + 1):
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        probe = Probe(caller, Device(server.directory, common_name=f"probe-{number}"))
        # Each kind in turn within three, so that a short run has all of them.
        kind = chance.choice([*Kind]) if number > len(Kind) else [*Kind][number - 1]
        patient = chance.random() >= HASTY
        recovery = tree.kill(kind, chance.choice, probe, patient=patient)
        found.recoveries.append(recovery)
        progress(f"kill {number}: {recovery.kind}, served again after {recovery.served:.2f} s")
    tree.wait_whole()
