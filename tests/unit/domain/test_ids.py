"""Ids that sort by time, and the time in them."""

from __future__ import annotations

import pytest

from certctl.domain.ids import made_us, sortable_id

NOW = 1_800_000_000_123_456


def test_an_id_says_when_it_was_made_to_the_millisecond():
    assert made_us(sortable_id(NOW, bytes)) == NOW - 456
    assert sortable_id(NOW, bytes) < sortable_id(NOW + 1000, bytes)


@pytest.mark.parametrize("other", ["", "ghost", "00", "zz" * 16, "00" * 15, "00" * 17])
def test_what_is_no_such_id_says_nothing(other: str):
    assert made_us(other) is None
