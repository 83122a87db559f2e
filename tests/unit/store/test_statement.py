"""Statements as driver SQL: order of parameters, sizes of IN lists, other dialects."""

from __future__ import annotations

from itertools import chain

import pytest
from sqlalchemy import insert, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect

from certctl.store.statement import LARGEST_CHUNK, chunks, positional
from certctl.store.tables import certificates


def test_another_order_is_refused():
    clause = text("SELECT :b, :a")
    with pytest.raises(ValueError, match="do not match"):
        positional(clause, sqlite.dialect(), ("a", "b"))
    assert positional(clause, sqlite.dialect(), ("b", "a")) == "SELECT ?, ?"


def test_a_driver_of_named_parameters_is_refused():
    with pytest.raises(ValueError, match="do not match"):
        positional(text("SELECT :a"), sqlite.dialect(paramstyle="named"), ("a",))


def test_postgresql_gets_its_own_text():
    names = certificates.columns.keys()
    dialect = PGDialect(paramstyle="format")
    found = positional(insert(certificates), dialect, names)
    assert found.count("%s") == len(names)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 255, 256, 257, 1000])
def test_chunks_hold_every_key_and_have_few_sizes(count: int):
    keys = [number.to_bytes(2, "big") for number in range(count)]
    pieces = list(chunks(keys))
    assert list(dict.fromkeys(chain.from_iterable(pieces))) == keys
    for piece in pieces:
        assert len(piece) <= LARGEST_CHUNK
        assert len(piece).bit_count() == 1
