"""What all tables share."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# STRICT tables know INTEGER (64 bits) and refuse BIGINT.
Integer64: Final = BigInteger().with_variant(Integer(), "sqlite")


def few(name: str, where: str, *columns: Column[Any]) -> None:
    """An index of the few rows that ``where`` lets in; enrollments do not touch it."""
    Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
