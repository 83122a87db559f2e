"""Bind a store to what it belongs to: its node's name and the CA behind each issuer id.

What is bound first stays; the answer is always what the store says, never the wish.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from certctl.store.queries.identity import ca_fingerprint, node_key, node_name


def bind_node(connection: Connection, node: str) -> str:
    """Name this store's node unless it has a name already; gives the name that holds."""
    connection.execute(
        text("INSERT INTO meta (name, value) VALUES ('node', :node) ON CONFLICT (name) DO NOTHING"),
        {"node": node},
    )
    return node_name(connection) or node


def claim_node(connection: Connection, node: str) -> None:
    """Remember a node of a database that several share."""
    connection.execute(
        text("INSERT INTO meta (name, value) VALUES (:name, '') ON CONFLICT (name) DO NOTHING"),
        {"name": node_key(node)},
    )


def bind_ca(connection: Connection, issuer_id: str, fingerprint: bytes) -> bytes:
    """Bind an issuer id to a CA certificate (SHA-256) unless it is bound; gives the bound."""
    connection.execute(
        text(
            "INSERT INTO ca (issuer_id, fingerprint) VALUES (:issuer_id, :fingerprint) "
            "ON CONFLICT (issuer_id) DO NOTHING"
        ),
        {"issuer_id": issuer_id, "fingerprint": fingerprint},
    )
    return ca_fingerprint(connection, issuer_id) or fingerprint
