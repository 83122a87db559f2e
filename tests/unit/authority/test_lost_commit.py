"""A commit whose answer is lost: it happened or not, and nothing is on record twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.authority.commands import PurgeExpired, TakeLease
from certctl.domain.audit import Counter
from certctl.domain.errors import StoreUnavailable
from certctl.domain.order import Issued
from tests.contract.samples import event
from tests.harness.cutting import CuttingRelay
from tests.harness.postgres import PrivatePostgres
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop

HAPPENED = pytest.mark.parametrize("cut", ["before", "after"])


@pytest.fixture
def relay(postgres: PrivatePostgres) -> Iterator[CuttingRelay]:
    with CuttingRelay(postgres.port) as relay:
        yield relay


@pytest.fixture
def workshop(tmp_path: Path, postgres: PrivatePostgres, relay: CuttingRelay) -> Iterator[Workshop]:
    url = postgres.migrated().replace(f":{postgres.port}/", f":{relay.port}/")
    made = Workshop(tmp_path, url)
    yield made
    made.store.close()


def recorded(workshop: Workshop) -> list[str]:
    """Request ids of all events, in order."""
    records = workshop.records()
    events = [each.event.request_id for each in records.events(limit=1_000)]
    records.close()
    return events


@HAPPENED
def test_refusals_are_on_record_once(workshop: Workshop, relay: CuttingRelay, cut: str) -> None:
    told = [
        (replace(event(1).event, request_id=f"refused-{n}", count=1), Counter.CSR_INVALID)
        for n in range(3)
    ]
    relay.cut = cut
    assert workshop.service.run((), told[:2]) == []
    workshop.service.flush()
    workshop.service.run((), told[2:])
    assert relay.cuts == 1
    assert recorded(workshop) == ["refused-0", "refused-1", "refused-2"]
    records = workshop.records()
    assert records.counts() == {(told[0][0].profile, Counter.CSR_INVALID): 3}
    records.close()


@HAPPENED
def test_an_order_sent_again_has_one_certificate(
    workshop: Workshop, relay: CuttingRelay, cut: str
) -> None:
    order = workshop.order()
    relay.cut = cut
    (lost,) = workshop.service.run((order,))
    assert isinstance(lost, StoreUnavailable)
    (answer,) = workshop.service.run((order,))
    assert isinstance(answer, Issued)
    assert answer.repeated == (cut == "after")
    records = workshop.records()
    assert [each.der for each in records.certificates()] == [answer.der]
    records.close()
    assert workshop.faults == []


@HAPPENED
def test_a_command_sent_again_goes_on(workshop: Workshop, relay: CuttingRelay, cut: str) -> None:
    relay.cut = cut
    take = TakeLease(job="purge", holder="one/1", every_us=1, lease_us=1_000_000)
    assert isinstance(workshop.service.execute(take), StoreUnavailable)
    workshop.now_us += 2_000_000
    answer = workshop.service.execute(take)
    fence = {"before": 1, "after": 2}[cut]
    assert answer.fence == fence  # type: ignore[union-attr]
    done = workshop.service.execute(PurgeExpired(fence=fence))
    assert not isinstance(done, Exception)
