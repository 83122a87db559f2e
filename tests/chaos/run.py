"""``scripts/chaos``: the long form of both tests, and its report on standard output.

Run it on a machine that does little else: recovery times are judged here (5 s), and a
server that has to share its cores starts more slowly. The short form is in ``tests/e2e``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.hang_up import HangUp, run_hang_up
from tests.chaos.killer import TREE, Kind
from tests.chaos.nothing_lost import NothingLost, run_nothing_lost
from tests.chaos.world import Database

SERVED_AGAIN_SECONDS = 5.0
"""After a process of the server was killed; how soon PostgreSQL is back is not ours to judge."""
ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    """0 when nothing was lost, nothing doubled and every recovery was quick enough."""
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=arguments.dir))
    lines = _facts()
    problems: list[str] = []
    try:
        if arguments.kills:
            lost = run_nothing_lost(
                _fresh(folder / "kills"),
                kills=arguments.kills,
                clients=arguments.clients,
                seed=arguments.seed,
                think_seconds=arguments.think,
                progress=_say,
                database=arguments.database,
                failing_fsync=arguments.failing_fsync,
            )
            slow = [
                each.served
                for each in lost.recoveries
                if each.kind in TREE and each.served > SERVED_AGAIN_SECONDS
            ]
            problems += lost.problems
            problems += [f"served again only after {seconds:.2f} s" for seconds in slow]
            lines += _lost_lines(lost, arguments.clients)
        if arguments.hang_ups:
            left = run_hang_up(
                _fresh(folder / "hang-ups"),
                clients=arguments.hang_ups,
                concurrency=arguments.concurrency,
                seed=arguments.seed,
                progress=_say,
            )
            problems += left.problems
            lines += _left_lines(left)
    finally:
        if arguments.keep:
            _say(f"kept {folder}")
        else:
            shutil.rmtree(folder)
    lines += ["", f"Problems: {len(problems) or 'none'}", *(f"- {each}" for each in problems)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if problems else 0


def _lost_lines(lost: NothingLost, clients: int) -> list[str]:
    verdict = lost.verdict
    kills = f"{len(lost.recoveries)} kills in {lost.seconds:.0f} s"
    return [
        "",
        f"Nothing lost: {kills} under load from {clients} clients, those who revoke included",
        "",
        "| killed | times | served again p50 | max | whole tree max |",
        "|---|---|---|---|---|",
        *(_recovery_row(lost, kind) for kind in Kind),
        _recovery_row(lost, None),
        "",
        "| | |",
        "|---|---|",
        f"| children gone after their supervisor's death, max | {_most_orphans(lost)} |",
        f"| attempts by clients | {lost.attempts} |",
        f"| of these, connection broken or refused | {lost.broken} |",
        f"| of these, answered 503 | {lost.unavailable} |",
        f"| certificates on record | {verdict.on_record} |",
        f"| answers with a certificate | {verdict.received} |",
        f"| success events, of these repeats | {verdict.grants}, {verdict.repeats} |",
        f"| revocations and releases confirmed | {_told(lost)} |",
        f"| commands given again, their answer lost | {lost.confirmations.repeated} |",
        f"| renewals of revoked certificates, all refused | {lost.confirmations.refused} |",
        f"| revoked on record | {verdict.revoked} |",
        f"| events told, in so many posts | {verdict.told}, {verdict.posts} |",
        f"| all events told after the last kill | {lost.drained:.0f} s |",
        f"| seals of the audit trail; `audit verify` | {verdict.seals}; {lost.proof} |",
        f"| lost | {verdict.lost} |",
        f"| doubled | {verdict.doubled} |",
    ]


def _told(lost: NothingLost) -> str:
    done = lost.confirmations
    return f"{len(done.all)}, {done.bulks} bulk revocations"


def _recovery_row(lost: NothingLost, kind: Kind | None) -> str:
    mine = [each for each in lost.recoveries if kind in (None, each.kind)]
    name = kind or "all"
    if not mine:
        return f"| {name} | 0 | | | |"
    served = lost.served(kind)
    whole = [each.whole for each in mine if each.whole is not None]
    longest = f"{max(whole):.2f} s" if whole else ""
    return (
        f"| {name} | {len(mine)} | {statistics.median(served):.2f} s"
        f" | {served[-1]:.2f} s | {longest} |"
    )


def _most_orphans(lost: NothingLost) -> str:
    lived = [each.orphans for each in lost.recoveries if each.orphans is not None]
    return f"{max(lived):.2f} s" if lived else "no supervisor was killed"


def _left_lines(left: HangUp) -> list[str]:
    signed = sum(left.on_record.values())
    ends = ", ".join(f"{number} by {end}" for end, number in left.on_record.items())
    return [
        "",
        f"Hang-up: {left.clients} clients in {left.seconds:.0f} s",
        "",
        "| | |",
        "|---|---|",
        f"| of these with a certificate on record | {signed} ({ends}) |",
        f"| given that very certificate when asked again | {left.given_later} |",
        f"| certificates on record at the end | {left.verdict.on_record} |",
        f"| lost | {left.verdict.lost} |",
        f"| doubled | {left.verdict.doubled} |",
    ]


def _facts() -> list[str]:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    facts = {
        "command": " ".join(["scripts/chaos", *sys.argv[1:]]),
        "CPU": f"{model}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "commit": commit.stdout.decode().strip() or "none",
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="0 leaves them out")
    parser.add_argument(
        "--database",
        type=Database,
        choices=[*Database],
        default=Database.SQLITE,
        help="postgres makes a private one, and kills its connections too",
    )
    parser.add_argument(
        "--failing-fsync",
        action="store_true",
        help="let SQLite's disk fail now and then, too; needs a C compiler",
    )
    parser.add_argument("--clients", type=int, default=8, help="devices and operators meanwhile")
    parser.add_argument(
        "--think", type=float, default=0.01, help="seconds between two devices of a client"
    )
    parser.add_argument("--hang-ups", type=int, default=2_000, help="0 leaves them out")
    parser.add_argument("--concurrency", type=int, default=32, help="of those that hang up")
    parser.add_argument("--seed", type=int, default=1, help="decides whom to kill and when")
    parser.add_argument("--dir", type=Path, help="where to put everything; the system's default")
    parser.add_argument("--keep", action="store_true", help="leave everything there at the end")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
