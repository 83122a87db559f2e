"""Folding of floods: what goes out at once, what is counted, what bounds the table."""

from __future__ import annotations

import asyncio

from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.enroll.refusals import MAX_KINDS, RefusalFolder


def refusal(source: str = "192.0.2.1", reason: str = "wrong_password") -> AuditEvent:
    return AuditEvent(
        time_us=1,
        actor="est-client:x",
        actor_type="est-client",
        action=AuditAction.AUTH_FAILED_BASIC,
        outcome=Outcome.FAILURE,
        profile="demo",
        source_address=source,
        details={"reason": reason},
    )


class Recorded:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def __call__(self, event: AuditEvent, counter: Counter | None) -> None:
        assert counter is Counter.AUTH_FAILED_BASIC
        self.events.append(event)


async def fold(events: list[AuditEvent]) -> list[AuditEvent]:
    recorded = Recorded()
    folder = RefusalFolder(recorded)
    for event in events:
        folder.add(event, Counter.AUTH_FAILED_BASIC)
    folder.flush()
    return recorded.events


def test_identical_refusals_are_two_events_and_every_one_counts() -> None:
    events = asyncio.run(fold([refusal()] * 500))
    assert [event.count for event in events] == [1, 499]


def test_different_sources_and_reasons_stay_apart() -> None:
    given = [refusal(), refusal("192.0.2.2"), refusal(reason="locked_out")]
    assert asyncio.run(fold(given)) == given


def test_the_first_goes_out_at_once_and_the_rest_within_a_second() -> None:
    async def run() -> None:
        recorded = Recorded()
        folder = RefusalFolder(recorded)
        assert folder.add(refusal(), Counter.AUTH_FAILED_BASIC)
        assert not folder.add(refusal(), Counter.AUTH_FAILED_BASIC)
        assert len(recorded.events) == 1
        for _ in range(300):
            await asyncio.sleep(0.01)
            if len(recorded.events) == 2:
                break
        assert [event.count for event in recorded.events] == [1, 1]
        assert folder.add(refusal(), Counter.AUTH_FAILED_BASIC), "a new second begins"
        folder.flush()

    asyncio.run(run())


def test_a_flood_of_different_refusals_is_recorded_and_the_table_stays_small() -> None:
    async def run() -> None:
        recorded = Recorded()
        folder = RefusalFolder(recorded)
        for number in range(MAX_KINDS * 2):
            folder.add(refusal(f"source-{number}"), Counter.AUTH_FAILED_BASIC)
        assert len(recorded.events) == MAX_KINDS * 2
        assert len(folder._folded) == MAX_KINDS
        folder.flush()
        assert len(recorded.events) == MAX_KINDS * 2

    asyncio.run(run())
