"""Parts of the API by themselves: keys, rate, places of a stream, paths, listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from certctl.domain.api_keys import ApiKey, Role, key_digest, key_id_of, key_text
from certctl.domain.audit import RecordedEvent
from certctl.domain.clock import SECOND_US
from certctl.domain.key_holders import FixedKeyDigest, Holder, KeyRefused
from certctl.domain.ports import Records
from certctl.store import MemoryStore
from certctl.web.api.callers import (
    MOST_REMEMBERED,
    REMEMBERED_US,
    KeyRing,
)
from certctl.web.api.endpoint import Table
from certctl.web.api.rate import MOST_BUCKETS, RateLimit
from certctl.web.api.table import ENDPOINTS
from certctl.web.api.tail import MOST_QUEUED, Listener, Tail, cursor_of, cursor_text
from tests.contract.samples import event

T = TypeVar("T")

PEPPER = b"p" * 32
NOW = 1_800_000_000 * SECOND_US


class Time:
    def __init__(self) -> None:
        self.us = NOW

    def __call__(self) -> int:
        return self.us


def stored(store: MemoryStore, number: int, **changes: object) -> str:
    """A key on record; its text."""
    text = key_text(f"{number:032x}", bytes(32))
    key = ApiKey(
        id=f"{number:032x}",
        name="alice",
        role=Role.VIEWER,
        digest=key_digest(PEPPER, text),
        created_us=NOW,
        created_by="host:root",
        **changes,  # type: ignore[arg-type]
    )
    with store.transaction() as transaction:
        transaction.record_api_key(key)
    return text


def test_a_key_is_known_by_its_whole_text_and_pepper():
    store, time = MemoryStore(), Time()
    text = stored(store, 1)
    assert KeyRing(store, PEPPER, (), time).holder(text).name == "alice"
    for other, pepper in ((text[:-1] + "1", PEPPER), (text.upper(), PEPPER), (text, b"q" * 32)):
        with pytest.raises(KeyRefused, match="unknown"):
            KeyRing(store, pepper, (), time).holder(other)
    assert key_id_of(text + "0") is None
    assert key_id_of("x" + text) is None


def test_a_revocation_is_known_before_a_second_is_over():
    store, time = MemoryStore(), Time()
    text = stored(store, 1)
    ring = KeyRing(store, PEPPER, (), time)
    ring.holder(text)
    with store.transaction() as transaction:
        transaction.revoke_api_key(f"{1:032x}", NOW)
    time.us += REMEMBERED_US - 1
    ring.holder(text)
    time.us += 1
    with pytest.raises(KeyRefused, match="revoked"):
        ring.holder(text)
    assert REMEMBERED_US < SECOND_US


def test_an_expiry_needs_no_look_at_the_store():
    store, time = MemoryStore(), Time()
    text = stored(store, 1, expires_us=NOW + 10)
    ring = KeyRing(store, PEPPER, (), time)
    ring.holder(text)
    time.us += 10
    with pytest.raises(KeyRefused, match="expired"):
        ring.holder(text)


def test_a_clock_that_was_set_back_makes_nothing_older():
    store, time = MemoryStore(), Time()
    text = stored(store, 1)
    ring = KeyRing(store, PEPPER, (), time)
    ring.holder(text)
    with store.transaction() as transaction:
        transaction.revoke_api_key(f"{1:032x}", NOW)
    time.us -= 3_600 * SECOND_US
    with pytest.raises(KeyRefused, match="revoked"):
        ring.holder(text)


def test_remembered_keys_are_bounded_and_unknown_ones_are_not_remembered():
    store, time = MemoryStore(), Time()
    ring = KeyRing(store, PEPPER, (), time)
    for number in range(3):
        with pytest.raises(KeyRefused):
            ring.holder(key_text(f"{number + 9:032x}", bytes(32)))
    assert not ring._remembered
    for number in range(3):
        ring.holder(stored(store, number + 1))
    assert len(ring._remembered) == 3 < MOST_REMEMBERED


def test_keys_of_the_settings_stand_beside_those_of_the_store():
    holder = Holder(name="ops", role=Role.OPERATOR, key_id="fixed:1")
    fixed = (FixedKeyDigest(digest=key_digest(PEPPER, "any text"), holder=holder),)
    ring = KeyRing(MemoryStore(), PEPPER, fixed, Time())
    assert ring.holder("any text") is holder
    with pytest.raises(KeyRefused, match="unknown"):
        ring.holder("any text ")


def test_a_bucket_fills_again_with_time():
    time = Time()
    rate = RateLimit(rate=2.0, burst=3, clock=time)
    assert [rate.wait_s("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert rate.wait_s("b") == 0
    time.us += SECOND_US
    assert [rate.wait_s("a") for _ in range(3)] == [0, 0, 1]
    time.us -= 60 * SECOND_US
    assert rate.wait_s("a") == 1
    assert all(RateLimit(rate=0, burst=1, clock=time).wait_s("a") == 0 for _ in range(9))


def test_buckets_are_bounded():
    rate = RateLimit(rate=1.0, burst=1, clock=Time())
    for number in range(MOST_BUCKETS + 10):
        rate.wait_s(str(number))
    assert len(rate._buckets) == MOST_BUCKETS


@pytest.mark.parametrize("cursor", [{"one": 1}, {"a-b.c_d": 12, "two": 0}])
def test_a_place_is_read_as_it_was_written(cursor: dict[str, int]):
    assert cursor_of(cursor_text(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:1;", "a:1,b:2", "a:1\n", "ä:1", "a:-1"])
def test_a_place_that_is_none(text: str):
    assert cursor_of(text) is None


def test_a_listener_that_does_not_keep_up_loses_its_queue_and_is_told():
    listener = Listener()
    listener.put([event(number) for number in range(1, MOST_QUEUED + 1)])
    assert not listener.overflowed
    listener.put([event(MOST_QUEUED + 1)])
    assert listener.overflowed
    assert not listener.queue


def test_the_reader_rests_when_nobody_listens():
    store = MemoryStore()

    async def read(question: Callable[[Records], T]) -> T:
        return question(store)

    async def story() -> Sequence[RecordedEvent]:
        tail = Tail(read)
        listener = tail.listen()
        await asyncio.sleep(0)  # the reader takes its place before the event comes
        with store.transaction() as transaction:
            transaction.append_events([event(1)])
        while not listener.queue:
            await listener.wait(1)
        tail.leave(listener)
        reader = tail._task
        if reader is not None:
            await reader
        assert tail._task is None
        return list(listener.queue)

    assert asyncio.run(story()) == [event(1)]


def test_each_path_leads_to_its_own_endpoint():
    table = Table(ENDPOINTS)
    for each in ENDPOINTS:
        path = each.full_path
        for name in ("certificate_id", "event_id", "request_id", "key_id"):
            path = path.replace(f"{{{name}}}", "0" * 32)
        for name, value in (("serial", "1"), ("profile_id", "a-b"), ("issuer_id", "iss-local")):
            path = path.replace(f"{{{name}}}", value)
        assert table.methods(path)[each.method] is each
    for path in ("", "/", "/api/v1", "/api/v1/", "/api/v1/audit/a/b", "/api/v1/audit\n"):
        assert not table.methods(path)
