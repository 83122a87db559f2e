"""What is on record about public keys: who holds them, and which are in wrong hands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, literal_column, select, union_all
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import KeyFacts, KeyUse
from certctl.store.driver import fetch
from certctl.store.statement import chunks, positional
from certctl.store.tables import certificates, compromised_keys


def key_facts(
    connection: Connection, keys: Collection[bytes], now_us: int
) -> Mapping[bytes, KeyFacts]:
    """By SHA-256 of SubjectPublicKeyInfo; keys nobody knows are left out."""
    found: dict[bytes, KeyFacts] = {}
    for some in chunks(keys):
        rows = fetch(connection, _facts(connection.dialect, len(some)), (*some, now_us, *some))
        for key, certificate_id, subject_der, san_der in rows:
            known = found.get(key, KeyFacts())
            if certificate_id is None:
                found[key] = KeyFacts(compromised=True, uses=known.uses)
            else:
                use = KeyUse(certificate_id, subject_der, san_der)
                found[key] = KeyFacts(compromised=known.compromised, uses=(*known.uses, use))
    return found


@lru_cache(maxsize=64)
def _facts(dialect: Dialect, size: int) -> str:
    """Both questions in one statement: a batch asks the store as seldom as it can."""
    held = [f"held_{n}" for n in range(size)]
    lost = [f"lost_{n}" for n in range(size)]
    c = certificates.c
    holders = (
        select(c.spki_sha256, c.id, c.subject_der, c.san_der)
        .where(c.spki_sha256.in_([bindparam(name) for name in held]))
        .where(c.not_after_us > bindparam("now_us"))
        # Nobody was given an orphan: a CA outside that mixes up names must not take a
        # device's key from it.
        .where(c.source != literal_column("'orphan'"))
    )
    null: ColumnElement[Any] = literal_column("NULL")
    losers = select(compromised_keys.c.spki_sha256, null, null, null).where(
        compromised_keys.c.spki_sha256.in_([bindparam(name) for name in lost])
    )
    return positional(union_all(holders, losers), dialect, [*held, "now_us", *lost])
