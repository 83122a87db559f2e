"""Read the keys of the management API, their pepper's digest, and kept answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import ApiKey, Role
from certctl.domain.kept_answer import KeptAnswer
from certctl.store.tables import api_keys, kept_answers, meta

PEPPER = "api_pepper_sha256"

_k = api_keys.c
_a = kept_answers.c


def api_key(connection: Connection, key_id: str) -> ApiKey | None:
    rows = connection.execute(select(api_keys).where(_k.id == key_id)).fetchall()
    return _api_key(rows[0]) if rows else None


def all_keys(connection: Connection) -> Sequence[ApiKey]:
    """Every key that ever was, in order of id; they are few."""
    rows = connection.execute(select(api_keys).order_by(_k.id)).fetchall()
    return [_api_key(row) for row in rows]


def bound_pepper(connection: Connection) -> bytes | None:
    """Digest of the pepper that the keys on record were made with."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == PEPPER)).scalar()
    return bytes.fromhex(found) if found is not None else None


def kept_answer(connection: Connection, key: bytes, now_us: int) -> KeptAnswer | None:
    clause = select(kept_answers).where(_a.key == key).where(_a.expires_us > now_us)
    rows = connection.execute(clause).fetchall()
    if not rows:
        return None
    found, request, result, expires_us = rows[0]
    return KeptAnswer(key=found, request=request, result=result, expires_us=expires_us)


def _api_key(row: Sequence[Any]) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        role=Role(row[2]),
        digest=row[3],
        created_us=row[4],
        created_by=row[5],
        tenant=row[6],
        profiles=tuple(msgspec.json.decode(row[7], type=list[str])),
        expires_us=row[8],
        revoked_us=row[9],
    )
