"""A CRL's digest becomes that of its TBSCertList: it is known before there is a signature."""

from __future__ import annotations

import hashlib

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    connection = op.get_bind()
    for issuer_id, number, parts in connection.execute(
        text("SELECT issuer_id, number, parts FROM crls")
    ).fetchall():
        digest = hashlib.sha256()
        for part in range(parts):
            # One piece at a time: the whole may have hundreds of megabytes.
            octets = connection.execute(
                text(
                    "SELECT octets FROM crl_parts"
                    " WHERE issuer_id = :issuer_id AND number = :number AND part = :part"
                ),
                {"issuer_id": issuer_id, "number": number, "part": part},
            ).scalar()
            digest.update(octets or b"")
        connection.execute(
            text("UPDATE crls SET digest = :digest WHERE issuer_id = :issuer_id"),
            {"digest": digest.digest(), "issuer_id": issuer_id},
        )
