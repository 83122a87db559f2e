"""So many requests of one source a minute."""

from __future__ import annotations

import pytest

from certctl.web import rate
from certctl.web.rate import MINUTE_US, MinuteLimit


def test_one_too_many_waits_for_the_next_minute():
    limit = MinuteLimit(2)
    assert [limit.allows("192.0.2.1", MINUTE_US) for _ in range(3)] == [True, True, False]
    assert limit.allows("192.0.2.2", MINUTE_US), "another source"
    assert not limit.allows("192.0.2.1", 2 * MINUTE_US - 1)
    assert limit.allows("192.0.2.1", 2 * MINUTE_US)


def test_addresses_of_one_ipv6_network_are_one_source():
    limit = MinuteLimit(1)
    assert limit.allows("2001:db8::1", 0)
    assert not limit.allows("2001:db8::2", 0)
    assert limit.allows("2001:db8:0:1::1", 0)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rate, "MAX_SOURCES", 10)
    limit = MinuteLimit(1)
    for number in range(1_000):
        limit.allows(f"192.0.2.{number}", 0)
        assert len(limit._counts) <= 10
