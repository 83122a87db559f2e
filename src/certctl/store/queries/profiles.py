"""Read the certificate profiles that the store keeps (policy §1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Connection

from certctl.domain.certificate_profiles import StoredProfile
from certctl.store.statement import ours
from certctl.store.tables import certificate_profiles

_c = certificate_profiles.c
_ALL = select(_c.id, _c.version, _c.document, _c.changed_us).order_by(_c.id)
_STAMP = select(
    func.count(),
    func.coalesce(func.sum(_c.version), 0),
    func.coalesce(func.max(_c.changed_us), 0),
).select_from(certificate_profiles)


def stored_profiles(connection: Connection) -> Sequence[StoredProfile]:
    """All of them in order of id; they are few."""
    return _profiles(connection, _ALL)


def our_profiles(connection: Connection) -> Sequence[StoredProfile]:
    """All of them; those that are there nobody else changes until the transaction ends."""
    return _profiles(connection, ours(_ALL))


def _profiles(connection: Connection, clause: Select[Any]) -> Sequence[StoredProfile]:
    rows = connection.execute(clause).fetchall()
    return [
        StoredProfile(id=row[0], version=row[1], document=row[2], changed_us=row[3]) for row in rows
    ]


def stamp(connection: Connection) -> tuple[int, int, int]:
    """Another one after every change: a put raises a version, a removal lowers the number."""
    row = connection.execute(_STAMP).one()
    return int(row[0]), int(row[1]), int(row[2])
