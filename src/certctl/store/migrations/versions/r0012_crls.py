"""A CRL's digest becomes that of its TBSCertList, which is known before there is a signature;
it tells which expired entries are not on it any more; and it may be a delta CRL.
"""

from __future__ import annotations

import hashlib
from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    insert,
    text,
)

revision = "0012"
down_revision = "0013"


def upgrade() -> None:
    connection = op.get_bind()
    kept = connection.execute(
        text(
            "SELECT issuer_id AS scope, number, this_update_us, next_update_us, scheduled_us, stamp,"
            " front, back, parts, size FROM crls"
        )
    ).fetchall()
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.drop_table("crls")
    crls = op.create_table(
        "crls",
        Column("scope", Text, nullable=False),
        Column("number", integer64, nullable=False),
        Column("before", integer64, nullable=False),
        Column("this_update_us", integer64, nullable=False),
        Column("next_update_us", integer64, nullable=False),
        Column("scheduled_us", integer64, nullable=False),
        Column("listed_us", integer64, nullable=False),
        Column("stamp", Text, nullable=False),
        Column("front", LargeBinary, nullable=False),
        Column("back", LargeBinary, nullable=False),
        Column("parts", integer64, nullable=False),
        Column("size", integer64, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        PrimaryKeyConstraint("scope", name="pk_crls"),
        CheckConstraint("length(digest) = 32", name="ck_crls_digest"),
        sqlite_strict=True,
    )
    op.alter_column("crl_parts", "issuer_id", new_column_name="scope")
    for row in kept:
        values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
        digest = _digest(row.scope, row.number, row.parts)
        # Nothing goes from the records before the next CRL says what it left out.
        connection.execute(insert(crls).values(**values, before=0, listed_us=0, digest=digest))


def _digest(scope: str, number: int, parts: int) -> bytes:
    digest = hashlib.sha256()
    for part in range(parts):
        # One piece at a time: the whole may have hundreds of megabytes.
        octets = op.get_bind().execute(
            text(
                "SELECT octets FROM crl_parts"
                " WHERE scope = :scope AND number = :number AND part = :part"
            ),
            {"scope": scope, "number": number, "part": part},
        )
        digest.update(octets.scalar() or b"")
    return digest.digest()
