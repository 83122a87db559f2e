"""The short form of scripts/chaos: a few kills under load, nothing lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.killer import TREE
from tests.chaos.nothing_lost import run_nothing_lost

KILLS = 10
CLIENTS = 8
# Not what is promised (2 s, judged by the long form), but far less than a hung server takes.
GENEROUS_SECONDS = 20.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_clients_received_is_on_record_whoever_was_killed(tmp_path: Path) -> None:
    found = run_nothing_lost(
        tmp_path, kills=KILLS, clients=CLIENTS, seed=7, think_seconds=0.02, progress=print
    )
    assert found.problems == []
    assert len(found.recoveries) == KILLS
    assert all(found.kills()[kind] > 0 for kind in TREE)
    assert found.confirmations.bulks > 0
    assert found.confirmations.refused > 0
    assert found.broken + found.unavailable > 0, "no client noticed any kill"
    assert found.verdict.received >= KILLS + CLIENTS
    assert max(found.served()) < GENEROUS_SECONDS
