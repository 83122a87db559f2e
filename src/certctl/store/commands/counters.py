"""Add to the counters (records §6): one row per profile, label and node, never reset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.audit import Counter
from certctl.store.driver import run_each
from certctl.store.statement import positional


def add_counts(
    connection: Connection, node: str, counts: Mapping[tuple[str, Counter], int]
) -> None:
    """Add each number to its counter of this node, which starts at 0."""
    if counts:
        run_each(
            connection,
            _add(connection.dialect),
            [(profile, label.value, node, n) for (profile, label), n in counts.items()],
        )


@lru_cache(maxsize=8)
def _add(dialect: Dialect) -> str:
    return positional(
        text(
            """
INSERT INTO counters (profile, label, node, n) VALUES (:profile, :label, :node, :n)
ON CONFLICT (profile, label, node) DO UPDATE SET n = counters.n + excluded.n"""
        ),
        dialect,
        ("profile", "label", "node", "n"),
    )
