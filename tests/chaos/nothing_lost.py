"""Devices enroll and renew, operators revoke, and processes are killed; nothing may get lost.

The promises: records §1 (1, 2, 3 and 7), §4 (revocation) and §7 (events). The order of
kills follows from a seed, the moments they hit do not.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.backends import kill_backend
from tests.chaos.killer import TREE, Kind, NotBack, Probe, Recovery, Tree
from tests.chaos.load import ANSWER_SECONDS, Client, Ledger, NoAnswer, applicant
from tests.chaos.revoker import Confirmations, Revoker
from tests.chaos.told import wait_drained
from tests.chaos.verdict import Verdict, judge
from tests.chaos.world import Database, World, world
from tests.harness.device import Device
from tests.harness.faults import FailingFsync
from tests.harness.nodes import command

CLIENTS_PER_REVOKER = 4
LONGEST_PAUSE_SECONDS = 0.4
"""Between two kills: sometimes none, sometimes some hundred enrollments."""
HASTY = 1 / 4
"""Share of kills after which the next one does not wait for the whole tree."""


KILLED_MEANWHILE = 1 / 2
"""How often the authority is killed while the disk fails: its log may hold what was never
promised."""


@dataclass(slots=True, kw_only=True)
class NothingLost:
    """What was done and what came of it; good when ``problems`` is empty.

    Attributes:
        drained: seconds after the last kill until every event had been delivered.
        proof: what ``audit verify`` said.
    """

    recoveries: list[Recovery] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    attempts: int = 0
    broken: int = 0
    unavailable: int = 0
    confirmations: Confirmations = field(default_factory=Confirmations)
    drained: float = 0.0
    proof: str = ""
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
    database: Database = Database.SQLITE,
    failing_fsync: bool = False,
) -> NothingLost:
    """Run it in ``directory``, which must be empty; the server is stopped at the end."""
    found = NothingLost()
    ledger = Ledger()
    began = time.monotonic()
    with world(directory, database, failing_fsync=failing_fsync) as here:
        with here.server as server:
            load = _load(here, ledger, found, clients=clients, think_seconds=think_seconds)
            for each in load:
                each.start()
            try:
                _kill_often(here, ledger, found, kills=kills, seed=seed, progress=progress)
            except (NotBack, NoAnswer) as failed:
                found.problems.append(str(failed))
            _end(load, found)
            if server.process.poll() is None:
                progress("waiting until all events are delivered")
                since = time.monotonic()
                if late := wait_drained(server):
                    found.problems.append(late)
                found.drained = time.monotonic() - since
            if (code := server.stop()) != 0:
                found.problems.append(f"SIGTERM ended the server with {code}")
        found.seconds = time.monotonic() - began
        _judge(here, ledger, found)
    return found


def _load(
    here: World, ledger: Ledger, found: NothingLost, *, clients: int, think_seconds: float
) -> Sequence[Client | Revoker]:
    caller = applicant(here.server, ledger)
    devices = here.server.directory / "devices"
    devices.mkdir()
    revokers = max(1, clients // CLIENTS_PER_REVOKER)
    return [
        *(
            Client(number, caller, directory=devices, think_seconds=think_seconds)
            for number in range(1, clients + 1 - revokers)
        ),
        *(
            Revoker(
                number,
                caller,
                found.confirmations,
                directory=devices,
                think_seconds=think_seconds,
            )
            for number in range(1, revokers + 1)
        ),
    ]


def _end(load: Sequence[Client | Revoker], found: NothingLost) -> None:
    for each in load:
        each.stop()
    for each in load:
        each.join(3 * ANSWER_SECONDS)
        if each.is_alive():
            found.problems.append(f"{each.name} still waits for an answer")


def _judge(here: World, ledger: Ledger, found: NothingLost) -> None:
    found.attempts, found.broken = ledger.attempts, ledger.broken
    found.unavailable = ledger.unavailable
    proved = command(here.server, "audit", "verify", "--output", "table")
    found.proof = " ".join(proved.stdout.split())
    if proved.returncode != 0:
        found.problems.append(f"audit verify: {proved.stdout} {proved.stderr}")
    found.verdict, _ = judge(
        here.url if here.postgres else here.server.database,
        ledger.received,
        confirmed=found.confirmations.all,
        posts=here.hook.posts,
    )
    found.problems += [*ledger.problems, *found.verdict.problems]


def _kill_often(
    here: World,
    ledger: Ledger,
    found: NothingLost,
    *,
    kills: int,
    seed: int,
    progress: Callable[[str], None],
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret is made of it
    caller = applicant(here.server, ledger)
    devices = here.server.directory / "devices"
    tree = Tree(here.server)
    kinds = [*TREE]
    kinds += [Kind.BACKEND] * (here.postgres is not None)
    kinds += [Kind.DISK] * (here.fsync is not None)
    for number in range(1, kills + 1):
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        probe = Probe(caller, Device(devices, common_name=f"probe-{number}"))
        # Each kind in turn first, so that a short run has all of them.
        kind = chance.choice(kinds) if number > len(kinds) else kinds[number - 1]
        patient = chance.random() >= HASTY
        if kind is Kind.BACKEND and here.postgres:
            how = chance.choice([signal.SIGKILL, signal.SIGTERM])
            strike = partial(kill_backend, here.postgres, here.url, chance.choice, how)
            recovery = tree.shake(kind, strike, probe)
        elif kind is Kind.DISK and here.fsync:
            recovery = tree.shake(kind, partial(_fail, here.fsync, tree, chance), probe)
        else:
            recovery = tree.kill(kind, chance.choice, probe, patient=patient)
        found.recoveries.append(recovery)
        progress(f"kill {number}: {recovery.kind}, served again after {recovery.served:.2f} s")
    tree.wait_whole()


def _fail(fsync: FailingFsync, tree: Tree, chance: random.Random) -> float:
    """Let the disk fail for a moment; when it was whole again."""
    fsync.on()
    try:
        time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
        if chance.random() < KILLED_MEANWHILE:
            tree.kill_one(Kind.AUTHORITY)
            time.sleep(chance.uniform(0.0, LONGEST_PAUSE_SECONDS))
    finally:
        fsync.off()
    return time.monotonic()
