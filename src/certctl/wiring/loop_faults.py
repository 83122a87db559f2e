"""Faults of ours on an event loop: a log event, not Python's text between the lines of JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from certctl.obs.log import Log


def log_faults(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Log what no caller is there for to catch, with the request it met where there is one."""

    def told(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        log.error(
            "worker_fault",
            problem=context["message"],
            exc_info=context.get("exception"),
            request_id=context.get("request_id", ""),
        )

    loop.set_exception_handler(told)
