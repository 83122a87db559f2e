"""Keep the keys of the management API, their pepper's digest, and answers."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import ApiKey
from certctl.domain.kept_answer import KeptAnswer
from certctl.store.queries.api_keys import PEPPER, bound_pepper
from certctl.store.tables import api_keys, kept_answers


def record_key(connection: Connection, key: ApiKey) -> None:
    connection.execute(
        insert(api_keys),
        {
            "id": key.id,
            "name": key.name,
            "role": key.role.value,
            "digest": key.digest,
            "created_us": key.created_us,
            "created_by": key.created_by,
            "tenant": key.tenant,
            "profiles": msgspec.json.encode(key.profiles).decode(),
            "expires_us": key.expires_us,
            "revoked_us": key.revoked_us,
        },
    )


def revoke_key(connection: Connection, key_id: str, revoked_us: int) -> None:
    """Revoke a key unless it is revoked already."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id)
        .where(api_keys.c.revoked_us.is_(None))
        .values(revoked_us=revoked_us)
    )


def bind_pepper(connection: Connection, digest: bytes) -> bytes:
    """Bind the store to a pepper unless it is bound; gives the digest that is bound."""
    connection.execute(
        text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"),
        {"name": PEPPER, "value": digest.hex()},
    )
    return bound_pepper(connection) or digest


def keep_answer(connection: Connection, answer: KeptAnswer, now_us: int) -> None:
    """Keep an answer; an expired one of the same key makes room, and no other: another node
    may have committed it since this transaction looked.
    """
    _a = kept_answers.c
    expired = delete(kept_answers).where(_a.key == answer.key).where(_a.expires_us <= now_us)
    connection.execute(expired)
    connection.execute(
        insert(kept_answers),
        {
            "key": answer.key,
            "request": answer.request,
            "result": answer.result,
            "expires_us": answer.expires_us,
        },
    )


def forget_answers(connection: Connection, before_us: int, most: int) -> None:
    """Drop answers that expired before this time, at most ``most``."""
    _a = kept_answers.c
    clause = select(_a.key).where(_a.expires_us <= before_us).order_by(_a.expires_us).limit(most)
    expired = connection.execute(clause).scalars().all()
    if expired:
        connection.execute(delete(kept_answers).where(_a.key.in_(expired)))
