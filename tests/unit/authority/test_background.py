"""Slow work beside the loop: begun once, fetched once, bounded, its faults its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import pytest

from certctl.authority.background import MOST, Background
from certctl.domain.errors import InProgress, WaitingRoomFull


def fetched(background: Background, key: object, work: Callable[[], Any]) -> Any:
    """What a patient caller gets."""
    while True:
        try:
            return background.result(key, work)
        except InProgress:
            wait([*background._begun.values()], timeout=10)


def test_it_is_begun_once_and_fetched_once() -> None:
    background, gate, calls = Background(), threading.Event(), []

    def work() -> str:
        gate.wait(10)
        calls.append(1)
        return "done"

    for _ in range(3):
        with pytest.raises(InProgress):
            background.result("key", work)
    gate.set()
    assert fetched(background, "key", work) == "done"
    assert calls == [1]
    assert fetched(background, "key", work) == "done"
    assert calls == [1, 1]


def test_its_fault_is_for_who_asked() -> None:
    background = Background()
    with pytest.raises(ZeroDivisionError):
        fetched(background, "key", lambda: 1 // 0)
    assert fetched(background, "key", lambda: 1) == 1


def test_more_than_are_kept_are_refused_and_those_never_fetched_make_room() -> None:
    background, gate = Background(), threading.Event()
    for number in range(MOST):
        with pytest.raises(InProgress):
            background.result(number, lambda: gate.wait(10))
    with pytest.raises(WaitingRoomFull):
        background.result("one more", lambda: 1)
    gate.set()
    wait([*background._begun.values()], timeout=10)
    assert fetched(background, "one more", lambda: 1) == 1
    assert len(background._begun) < MOST
