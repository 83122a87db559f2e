"""The sliding window of policy §5: whom it counts for, when there is room, what clocks do."""

from __future__ import annotations

import pytest

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import RateLimited
from certctl.domain.limit import limit_key, one_more, require_room, window
from certctl.domain.names import COMMON_NAME, UTF8_STRING, DistinguishedName, NameAttribute
from certctl.domain.san import GeneralName, SanKind

NOW = 1_800_000_000_000_000
EMPTY = DistinguishedName(rdns=())
SERIAL_NUMBER = "2.5.4.5"


def name(*attributes: tuple[str, str]) -> DistinguishedName:
    return DistinguishedName(
        rdns=tuple(
            (NameAttribute(oid=oid, tag=UTF8_STRING, text=text),) for oid, text in attributes
        )
    )


def dns(*names: str) -> tuple[GeneralName, ...]:
    return tuple(GeneralName(kind=SanKind.DNS, value=each) for each in names)


PUMP = name((COMMON_NAME, "pump"))


@pytest.mark.parametrize(
    "other",
    [
        limit_key("other", PUMP, (), "192.0.2.1"),
        limit_key("demo", name((COMMON_NAME, "Pump")), (), "192.0.2.1"),
        limit_key("demo", PUMP, (), "192.0.2.2"),
        limit_key("demo", name((SERIAL_NUMBER, "pump")), (), "192.0.2.1"),
        limit_key("demo", EMPTY, dns("pump"), "192.0.2.1"),
        limit_key("dem", name((COMMON_NAME, "opump")), (), "192.0.2.1"),
    ],
    ids=["profile", "CN", "source", "no CN", "no subject", "shifted text"],
)
def test_another_profile_name_or_source_is_another_window(other: bytes) -> None:
    assert other != limit_key("demo", PUMP, (), "192.0.2.1")


def test_the_name_is_the_cn_whatever_stands_beside_it() -> None:
    more = name((SERIAL_NUMBER, "7"), (COMMON_NAME, "pump"))
    assert limit_key("demo", more, dns("a"), "192.0.2.1") == limit_key(
        "demo", PUMP, (), "192.0.2.1"
    )
    assert limit_key("demo", EMPTY, dns("a", "b"), "::1") == limit_key(
        "demo", EMPTY, dns("b", "a"), "::1"
    )


def test_one_line_of_ipv6_is_one_source_and_a_mapped_address_is_its_ipv4() -> None:
    near, far = "2001:db8:0:1::1", "2001:db8:0:2::1"
    assert limit_key("demo", PUMP, (), near) == limit_key("demo", PUMP, (), "2001:db8:0:1:ffff::2")
    assert limit_key("demo", PUMP, (), near) != limit_key("demo", PUMP, (), far)
    assert limit_key("demo", PUMP, (), "::ffff:192.0.2.1") == limit_key(
        "demo", PUMP, (), "192.0.2.1"
    )


def test_room_comes_when_the_oldest_leaves() -> None:
    hits: tuple[int, ...] = ()
    for n in range(3):
        now = NOW + n * SECOND_US
        require_room(window(hits, now), limit=3, now_us=now)
        hits = one_more(window(hits, now), now)
    last = NOW + DAY_US - 1
    with pytest.raises(RateLimited) as refused:
        require_room(window(hits, last), limit=3, now_us=last)
    assert refused.value.retry_after == 1
    require_room(window(hits, NOW + DAY_US), limit=3, now_us=NOW + DAY_US)
    assert window(hits, NOW + DAY_US) == hits[1:]


def test_a_lowered_limit_waits_for_as_many_as_are_too_many() -> None:
    hits = tuple(NOW + n * SECOND_US for n in range(5))
    now = NOW + 10 * SECOND_US
    with pytest.raises(RateLimited) as refused:
        require_room(window(hits, now), limit=2, now_us=now)
    assert refused.value.retry_after == 86_400 - 10 + 3


def test_a_clock_that_goes_backwards_opens_no_second_window() -> None:
    hits = (NOW, NOW + SECOND_US)
    for back in (SECOND_US, DAY_US, 1_000 * DAY_US):
        assert window(hits, NOW - back) == hits
        with pytest.raises(RateLimited):
            require_room(window(hits, NOW - back), limit=2, now_us=NOW - back)
    assert one_more((NOW,), NOW - DAY_US) == (NOW, NOW)
