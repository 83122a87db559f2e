"""Three hundred clients hang up right after sending their CSR; signed is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.hang_up import End, run_hang_up

CLIENTS = 300


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_was_signed_for_a_vanished_client_is_on_record_and_kept_for_it(
    tmp_path: Path,
) -> None:
    found = run_hang_up(tmp_path, clients=CLIENTS, concurrency=16, seed=7, progress=print)
    assert found.problems == []
    assert found.verdict.received == CLIENTS
    assert found.verdict.on_record == CLIENTS + 1, "one each, and the demonstration device"
    # A third of each kind left when the answer was there: those at least were signed for.
    assert found.on_record[End.FIN] >= CLIENTS // 6
    assert found.on_record[End.RST] >= CLIENTS // 6
    assert found.given_later == sum(found.on_record.values())
