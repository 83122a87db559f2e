"""Keep issuers (issuers §4); what may change in them is for others to know."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from certctl.domain.ports import DuplicateKey
from certctl.domain.stored_issuers import LastTrial, StoredIssuer
from certctl.store.queries.issuers import CONFIG_KEY, bound_config_key


def put_issuer(connection: Connection, row: StoredIssuer, sealed: bytes) -> None:
    """Write one issuer's row, whether there was one or not.

    Raises:
        DuplicateKey: another node has written this version or a higher one.
    """
    written = connection.execute(
        text(
            """
INSERT INTO issuers (id, version, type, display_name, state, key_type, validity_s,
  created_us, created_by, changed_us, chain, csr, sealed)
VALUES (:id, :version, :type, :display_name, :state, :key_type, :validity_s,
  :created_us, :created_by, :changed_us, :chain, :csr, :sealed)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, display_name = excluded.display_name, state = excluded.state,
  validity_s = excluded.validity_s, changed_us = excluded.changed_us, chain = excluded.chain,
  csr = excluded.csr, sealed = excluded.sealed
WHERE issuers.version < excluded.version"""
        ),
        {
            "id": row.id,
            "version": row.version,
            "type": row.type,
            "display_name": row.display_name,
            "state": row.state.value,
            "key_type": row.key_type,
            "validity_s": row.validity_s,
            "created_us": row.created_us,
            "created_by": row.created_by,
            "changed_us": row.changed_us,
            "chain": b"".join(row.chain),
            "csr": row.csr_der,
            "sealed": sealed,
        },
    )
    if written.rowcount != 1:
        raise DuplicateKey("issuers.version")


def note_trial(connection: Connection, trial: LastTrial) -> None:
    """Keep what came of trying an issuer, in place of what came before."""
    connection.execute(
        text(
            """
INSERT INTO issuer_trials (issuer_id, tested_us, took_us, tried, problem, remedy)
VALUES (:issuer_id, :tested_us, :took_us, :tried, :problem, :remedy)
ON CONFLICT (issuer_id) DO UPDATE
SET tested_us = excluded.tested_us, took_us = excluded.took_us, tried = excluded.tried,
  problem = excluded.problem, remedy = excluded.remedy"""
        ),
        {
            "issuer_id": trial.issuer_id,
            "tested_us": trial.tested_us,
            "took_us": trial.took_us,
            "tried": trial.tried,
            "problem": trial.problem,
            "remedy": trial.remedy,
        },
    )


def bind_config_key(connection: Connection, digest: bytes) -> bytes:
    """Bind the store to a config key unless it is bound; gives the digest that is bound."""
    connection.execute(
        text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"),
        {"name": CONFIG_KEY, "value": digest.hex()},
    )
    return bound_config_key(connection) or digest
