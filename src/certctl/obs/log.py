"""Logging: a snake_case event and its fields, as JSON lines or as text on a terminal.

Built on structlog, without its global configuration: each process gets its own logger
from ``make_log``. Secrets never come here: fields are picked one by one where an event
is written. Values from outside are escaped, so a CN cannot forge a line or a colour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TextIO, TypeAlias, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from certctl.domain.clock import SECOND_US, Clock

Log: TypeAlias = FilteringBoundLogger
"""``log.info("event_name", field=value)``; faults with ``exc_info=exception``."""


class Level(IntEnum):
    """Severity; the names are the values of ``LOG_LEVEL``."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def make_log(
    process: str,
    *,
    level: Level,
    text: bool,
    clock: Clock,
    stream: TextIO | None = None,
    more: Callable[[], Mapping[str, str]] | None = None,
) -> Log:
    """A logger for one process, writing lines to ``stream`` (standard error).

    ``more`` gives fields of what is being done, such as the trace that it belongs to.
    """
    out = stream or sys.stderr
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)
        if text
        else structlog.processors.JSONRenderer()
    )
    logger = structlog.wrap_logger(
        _Lines(out),
        processors=[
            _moment(clock),
            *([_with(more)] if more is not None else []),
            _lost_before,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        process=process,
    )
    return cast("Log", logger)


class _Lines:
    """Writes lines, and outlives a full disk: what is not written is counted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.lost = 0

    def msg(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except OSError:
            self.lost += 1
        else:
            self.lost = 0

    log = debug = info = warning = error = critical = msg


def _lost_before(
    logger: WrappedLogger, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The first line that comes through again says how many did not."""
    return {**record, "lines_lost": logger.lost} if logger.lost else record


def _moment(clock: Clock) -> Processor:
    def add(
        _logger: WrappedLogger, _method: str, record: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        moment = datetime.fromtimestamp(clock() / SECOND_US, UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"timestamp": stamp, **record}

    return add


def _with(more: Callable[[], Mapping[str, str]]) -> Processor:
    def add(
        _logger: WrappedLogger, _method: str, record: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {**record, **more()}

    return add


def _printable(
    _logger: WrappedLogger, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Control and bidirectional characters in values become escapes (traces keep lines)."""
    for name, value in record.items():
        if name != "exception" and isinstance(value, str) and not value.isprintable():
            record[name] = value.encode("unicode_escape").decode("ascii")
    return record
