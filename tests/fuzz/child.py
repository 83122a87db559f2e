"""One target in a process of its own, as ``scripts/fuzz`` starts it.

With atheris the search follows what is reached (libFuzzer), and hangs and memory are its
business; without, ``blind``. The protocol is libFuzzer's: findings are files, numbers are
``stat::`` lines. The slowest input is kept beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

HANG_S = 5
"""Of processor time: a busy machine is no hang."""

STUCK_S = 60
"""By the clock; libFuzzer ends an input then that never comes to its end."""

MEMORY_MIB = 1024
STRUCTURED = 0.7
"""Share of our own mutations; the others are libFuzzer's, which knows what it compared."""


def main() -> int:
    arguments = _arguments()
    work: Path = arguments.work
    (work / "corpus").mkdir(parents=True, exist_ok=True)
    (work / "findings").mkdir(exist_ok=True)
    os.nice(19)
    # A warning would go to the console of a server; here it is a finding.
    warnings.simplefilter("error")
    if arguments.engine == "guided":
        _guided(arguments)
        return 0
    return _blind(arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--engine", choices=("guided", "blind"), required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args()


def keep(folder: Path, data: bytes) -> Path:
    """Write an input under the hash of its octets."""
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def _timed(law: Callable[[bytes], None], work: Path) -> Callable[[bytes], None]:
    worst = [0.002]  # below this nothing is worth a file

    def law_and_time(data: bytes) -> None:
        begin = time.process_time()
        try:
            law(data)
        except Exception:
            # Here as well: libFuzzer has been seen to end without writing its own file.
            keep(work / "findings", data)
            raise
        took = time.process_time() - begin
        if took > HANG_S:
            keep(work / "findings", data)
            raise TimeoutError(f"{took:.1f} s for one input")
        if took > worst[0]:
            worst[0] = took
            (work / "slowest").write_bytes(data)

    return law_and_time


def _guided(arguments: argparse.Namespace) -> None:
    import atheris  # noqa: PLC0415 - not everywhere to be had

    # Whatever of certctl is imported before this is not watched.
    with atheris.instrument_imports(include=["certctl"]):
        from tests.fuzz.mutate import mutate  # noqa: PLC0415
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    target = TARGETS[arguments.target]
    pool = target.corpus()
    work: Path = arguments.work
    for data in pool:
        keep(work / "corpus", data)

    def change(data: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        if chance.random() < STRUCTURED:
            return mutate(data, pool, chance, longest=longest)
        mutated: bytes = atheris.Mutate(data, longest)
        return mutated

    options = [
        sys.argv[0],
        f"-max_total_time={arguments.seconds}",
        f"-seed={arguments.seed}",
        f"-max_len={target.longest}",
        f"-timeout={STUCK_S}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={work / 'findings'}/",
        "-len_control=0",
        "-print_final_stats=1",
        str(work / "corpus"),
    ]
    atheris.Setup(options, _timed(target.law, work), custom_mutator=change)
    atheris.Fuzz()


def _blind(arguments: argparse.Namespace) -> int:
    from tests.fuzz.blind import run  # noqa: PLC0415 - the other engine imports under watch
    from tests.fuzz.targets import TARGETS, Target  # noqa: PLC0415

    memory = MEMORY_MIB * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    chosen = TARGETS[arguments.target]
    target = Target(
        name=chosen.name,
        law=_timed(chosen.law, arguments.work),
        seeds=chosen.seeds,
        longest=chosen.longest,
    )
    outcome = run(target, seed=arguments.seed, seconds=arguments.seconds)
    print(f"stat::number_of_executed_units: {outcome.executions}")  # noqa: T201 - the protocol
    if outcome.finding is None:
        return 0
    keep(arguments.work / "findings", outcome.finding.data)
    print(outcome.finding.problem)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
