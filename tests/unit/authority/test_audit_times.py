"""Times along an audit chain never go back, whatever clocks do (records §2, Clock)."""

from __future__ import annotations

import itertools

from certctl.authority.audit import Chain
from certctl.authority.verify import verify
from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.clock import SECOND_US, STEP_US
from tests.harness.replacing import replace

NOW_US = 1_800_000_000 * SECOND_US
HOUR_US = 3_600 * SECOND_US
EVENT = AuditEvent(
    time_us=NOW_US,
    actor="device",
    actor_type="device",
    action=AuditAction.AUTH_FAILED_BASIC,
    outcome=Outcome.FAILURE,
    profile="corp",
    details={"reason": "password"},
)
numbers = itertools.count()


def extended(chain: Chain, *times_us: int) -> list[RecordedEvent]:
    events = [replace(EVENT, time_us=each) for each in times_us]
    return chain.extend(events, lambda: f"id-{next(numbers)}")


def test_a_clock_set_back_gives_no_earlier_time_and_its_own_in_the_details() -> None:
    recorded = extended(Chain("one", None), NOW_US, NOW_US - HOUR_US, NOW_US + 1)
    assert [each.event.time_us for each in recorded] == [NOW_US, NOW_US, NOW_US + 1]
    assert [each.event.details.get("clock") for each in recorded] == [
        None,
        "2027-01-15T07:00:00.000+00:00",
        None,
    ]
    verify((), recorded, keys={})


def test_what_a_worker_saw_a_moment_earlier_is_not_put_before_what_is_on_record() -> None:
    recorded = extended(Chain("one", None), NOW_US, NOW_US - STEP_US)
    assert [each.event.time_us for each in recorded] == [NOW_US, NOW_US]
    assert recorded[1].event.details == EVENT.details


def test_times_follow_the_last_event_that_was_committed() -> None:
    """Across turns and restarts; what was rolled back holds nothing up."""
    chain = Chain("one", None)
    first = extended(chain, NOW_US)
    chain.advance(first)
    extended(chain, NOW_US + HOUR_US)
    (after,) = extended(chain, NOW_US + 1)
    assert after.event.time_us == NOW_US + 1
    (restarted,) = extended(Chain("one", first[-1]), NOW_US - HOUR_US)
    assert restarted.event.time_us == NOW_US
