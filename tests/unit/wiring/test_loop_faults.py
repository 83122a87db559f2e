from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from certctl.obs.log import Level, make_log
from certctl.wiring.loop_faults import log_faults

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def lines(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    act: Callable[[asyncio.AbstractEventLoop], object],
) -> list[dict[str, Any]]:
    """What is logged when ``act`` is done on a loop."""
    out = io.StringIO()
    log = make_log("worker-1", level=Level.INFO, text=False, clock=lambda: 0, stream=out)
    loop = make_loop()
    try:
        log_faults(loop, log)
        loop.call_soon(act, loop)
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("make_loop", LOOPS)
def test_a_fault_in_a_callback_is_one_line_with_its_trace(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    def fault(_loop: asyncio.AbstractEventLoop) -> None:
        raise KeyError("planted")

    (line,) = lines(make_loop, fault)
    assert (line["event"], line["level"], line["process"]) == ("worker_fault", "error", "worker-1")
    assert "in fault\n" in line["exception"]
    assert line["exception"].endswith("KeyError: 'planted'")
    assert line["problem"]


@pytest.mark.parametrize("make_loop", LOOPS)
def test_the_request_it_met_is_named(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    told = {"message": "An application failed.", "request_id": "0123456789abcdef"}
    (line,) = lines(make_loop, lambda loop: loop.call_exception_handler(told))
    assert (line["problem"], line["request_id"]) == (told["message"], told["request_id"])
    assert "exception" not in line
