"""What a store belongs to: its schema, its node and the CA behind each issuer id."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import inspect, select, text
from sqlalchemy.engine import Connection

from certctl.store.tables import ca, meta


def schema_revision(connection: Connection) -> str | None:
    """Alembic revision of the schema: empty for a new database, None for a foreign one."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        return None if tables else ""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return "" if found is None else str(found)


def node_name(connection: Connection) -> str | None:
    """Name of the node that this store was made for."""
    return connection.execute(select(meta.c.value).where(meta.c.name == "node")).scalar()


def is_blank(connection: Connection, node: str) -> bool:
    """Neither this node nor any CA was ever recorded here."""
    seen = connection.execute(select(meta.c.name).where(meta.c.name == node_key(node))).scalar()
    return seen is None and connection.execute(select(ca.c.issuer_id).limit(1)).scalar() is None


def node_key(node: str) -> str:
    """The row of ``meta`` that a node of a shared database has."""
    return f"node:{node}"


def ca_fingerprint(connection: Connection, issuer_id: str) -> bytes | None:
    """SHA-256 of the CA certificate that an issuer id is bound to."""
    return connection.execute(select(ca.c.fingerprint).where(ca.c.issuer_id == issuer_id)).scalar()


def ca_fingerprints(connection: Connection) -> Mapping[str, bytes]:
    """SHA-256 of the CA certificate by issuer id."""
    rows = connection.execute(select(ca.c.issuer_id, ca.c.fingerprint)).fetchall()
    return {row[0]: row[1] for row in rows}
