"""Core statements compiled once and run as driver SQL with plain tuples.

Core's handling of parameters per row costs more than SQLite's insert does, so the
commands of the hot path give the driver its own text. The text still comes from Core's
compiler, so each dialect gets its own, and a statement whose parameters are not in the
order that its command hands them over is refused when it is compiled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, Select
from sqlalchemy.engine import Dialect

# Not above 500: older SQLite takes 999 parameters, and a long IN is a slow parse.
LARGEST_CHUNK = 256

K = TypeVar("K")


def positional(clause: ClauseElement, dialect: Dialect, parameters: Sequence[str]) -> str:
    """SQL text of ``clause`` for a driver that takes positional parameters.

    ``parameters`` are the names of its parameters in the order of the caller's tuples.

    Raises:
        ValueError: the statement wants another order, or the driver takes names.
    """
    compiled = clause.compile(dialect=dialect)
    order = getattr(compiled, "positiontup", None)
    if order is None or list(order) != list(parameters):
        raise ValueError(f"parameters {order} do not match {list(parameters)}")
    return str(compiled)


def ours(clause: Select[Any]) -> Select[Any]:
    """The rows stay as they are read until the transaction ends: no other node changes them.

    For what a writer reads to decide what it writes. The clause needs an order, the same
    everywhere, so that two nodes never wait for each other. SQLite has one writer and
    renders nothing for it.
    """
    return clause.with_for_update(key_share=True)


def nobodys(clause: Select[Any]) -> Select[Any]:
    """Without the rows that another node holds now: for cleaning up, which must not wait."""
    return clause.with_for_update(skip_locked=True)


def chunks(keys: Collection[K]) -> Iterator[Sequence[K]]:
    """Cut keys into pieces of 1, 2, 4 … ``LARGEST_CHUNK``, the last filled up with itself.

    Few sizes mean few statement texts, each compiled once. A repeated key in an IN list
    changes nothing.
    """
    rest = list(keys)
    while rest:
        piece, rest = rest[:LARGEST_CHUNK], rest[LARGEST_CHUNK:]
        size = 1 << (len(piece) - 1).bit_length()
        yield piece + piece[-1:] * (size - len(piece))
