"""SQLite keeps the octets of each entry of a CRL ready in the index it is made from."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0015"
down_revision = "0014"

LOW, HIGH = (f"x'{first}{'00' * 19}'" for first in ("01", "80"))

ENTRY = f"""CASE WHEN serial >= {LOW} AND serial < {HIGH} THEN serial || revoked_us || \
CASE coalesce(revocation_reason, 'unspecified') WHEN 'superseded' THEN 'e' \
WHEN 'unspecified' THEN 'a' WHEN 'keyCompromise' THEN 'b' WHEN 'cACompromise' THEN 'c' \
WHEN 'affiliationChanged' THEN 'd' WHEN 'cessationOfOperation' THEN 'f' \
WHEN 'certificateHold' THEN 'g' WHEN 'privilegeWithdrawn' THEN 'j' \
WHEN 'aACompromise' THEN 'k' END END"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("ix_certificates_crl", "certificates")
    op.create_index(
        "ix_certificates_crl_entry",
        "certificates",
        [
            "issuer_id",
            "revoked_us",
            text(ENTRY),
            "serial",
            "not_after_us",
            "revocation_reason",
            "status",
        ],
        sqlite_where=text("status = 'revoked'"),
    )
