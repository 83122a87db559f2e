"""The inventory: names to search by, and the indexes that a page of it needs."""

from __future__ import annotations

from alembic import op
import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.engine import Connection

from certctl.domain.errors import RequestMalformed
from certctl.wire.names import decode_name

revision = "0004"
down_revision = "0003"

CN, SAN, PRINCIPAL = 1, 2, 4
COMMON_NAME = "2.5.4.3"
LONGEST_KEY = 255
SAN_KINDS = {
    "dns",
    "ip",
    "email",
    "uri",
    "upn",
    "otherName",
    "hardwareModuleName",
    "x400Address",
    "directoryName",
    "ediPartyName",
    "registeredID",
}


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_index(
        "ix_certificates_profile_certificate_profile_issuer_id_id",
        "certificates",
        ["profile", "certificate_profile", "issuer_id", "id"],
    )
    op.create_index("ix_certificates_not_after_us_id", "certificates", ["not_after_us", "id"])
    op.create_index("ix_certificates_fingerprint", "certificates", ["fingerprint"])
    for name, where, columns in (
        ("ix_certificates_revoked", "status = 'revoked'", ["id"]),
        ("ix_certificates_on_hold", "revocation_reason = 'certificateHold'", ["id"]),
        ("ix_certificates_not_est", "source <> 'EST'", ["source", "id"]),
        ("ix_certificates_tenant", "tenant IS NOT NULL", ["tenant", "id"]),
        ("ix_certificates_renews", "renews IS NOT NULL", ["renews"]),
    ):
        _few(name, "certificates", where, columns)
    _few(
        "ix_audit_events_certificate",
        "audit_events",
        "resource_type = 'certificate'",
        ["resource_id"],
    )
    op.create_table(
        "certificate_names",
        Column("name", LargeBinary, nullable=False),
        Column("certificate_id", Text, nullable=False),
        Column("kinds", integer64, nullable=False),
        PrimaryKeyConstraint("name", "certificate_id", name="pk_certificate_names"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "released_holds",
        Column("certificate_id", Text, nullable=False),
        Column("released_us", integer64, nullable=False),
        PrimaryKeyConstraint("certificate_id", name="pk_released_holds"),
        ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name="fk_released_holds_certificate_id"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _name_all(op.get_bind())


def _few(name: str, table: str, where: str, columns: list[str]) -> None:
    op.create_index(
        name, table, columns, sqlite_where=text(where), postgresql_where=text(where)
    )


def _name_all(connection: Connection) -> None:
    """Page by page, so that a large inventory does not have to fit into memory."""
    page = text(
        "SELECT id, subject_der, sans, principal FROM certificates"
        " WHERE id > :after ORDER BY id LIMIT 1000"
    )
    keep = text(
        "INSERT INTO certificate_names (name, certificate_id, kinds)"
        " VALUES (:name, :certificate_id, :kinds)"
    )
    after = ""
    while rows := connection.execute(page, {"after": after}).fetchall():
        names = [
            {"name": name, "certificate_id": row[0], "kinds": kinds}
            for row in rows
            for name, kinds in _names(row[1], msgspec.json.decode(row[2]), row[3]).items()
        ]
        if names:
            connection.execute(keep, names)
        after = rows[-1][0]


def _names(subject_der: bytes, sans: list[str], principal: str) -> dict[bytes, int]:
    try:
        cns = decode_name(subject_der).values(COMMON_NAME)
    except RequestMalformed:
        cns = ()
    kinds: dict[bytes, int] = {}
    for kind, names in ((CN, cns), (SAN, map(_san_value, sans)), (PRINCIPAL, (principal,))):
        for name in names:
            if key := name.casefold().encode("utf-8", "replace")[:LONGEST_KEY]:
                kinds[key] = kinds.get(key, 0) | kind
    return kinds


def _san_value(san: str) -> str:
    kind, colon, value = san.partition(":")
    return value if colon and kind in SAN_KINDS else san
