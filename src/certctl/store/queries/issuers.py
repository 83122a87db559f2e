"""Read the issuers that the store keeps (issuers §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, select
from sqlalchemy.engine import Connection

from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import CertificateFilter
from certctl.domain.stored_issuers import IssuerState, LastTrial, StoredIssuer
from certctl.store.queries.drivers import groups
from certctl.store.statement import ours
from certctl.store.tables import certificates, issuers, meta
from certctl.store.tables import issuer_trials as trials
from certctl.wire.der import SEQUENCE, expect

CONFIG_KEY = "config_key_sha256"

_c = issuers.c
_i = certificates.c
_ALL = select(
    _c.id,
    _c.version,
    _c.type,
    _c.display_name,
    _c.state,
    _c.key_type,
    _c.validity_s,
    _c.created_us,
    _c.created_by,
    _c.changed_us,
    _c.chain,
    _c.csr,
).order_by(_c.id)


def stored_issuers(connection: Connection) -> Sequence[StoredIssuer]:
    """All of them in order of id, without their keys; they are few."""
    return _issuers(connection, _ALL)


def our_issuers(connection: Connection) -> Sequence[StoredIssuer]:
    """All of them; those that are there nobody else changes until the transaction ends."""
    return _issuers(connection, ours(_ALL))


def sealed_issuers(connection: Connection) -> Mapping[str, bytes]:
    """Sealed keys by id."""
    rows = connection.execute(select(_c.id, _c.sealed).where(_c.state != IssuerState.DELETED))
    return {row[0]: row[1] for row in rows.fetchall()}


def stamp(connection: Connection) -> tuple[int, int]:
    """Another one after every change: rows never go, and versions only rise."""
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(_c.version), 0)).select_from(issuers)
    ).one()
    return int(row[0]), int(row[1])


def issuer_trials(connection: Connection) -> Mapping[str, LastTrial]:
    """When each issuer was last tried, by id."""
    t = trials.c
    rows = connection.execute(
        select(t.issuer_id, t.tested_us, t.took_us, t.tried, t.problem, t.remedy)
    )
    return {
        row[0]: LastTrial(
            issuer_id=row[0],
            tested_us=row[1],
            took_us=row[2],
            tried=row[3],
            problem=row[4],
            remedy=row[5],
        )
        for row in rows.fetchall()
    }


def bound_config_key(connection: Connection) -> bytes | None:
    """Digest of the config key that seals the issuers."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == CONFIG_KEY)).scalar()
    return bytes.fromhex(found) if found is not None else None


def unexpired_number(connection: Connection, issuer_id: str, now_us: int, most: int) -> int | None:
    """Certificates of an issuer that have not expired, our own not counted; None where that
    cannot be told from ``most`` rows, looked at three times at most.

    Its newest certificates come first, for they expire last: an index keeps them by
    profiles and issuer, a fair share of each. Where all of them have expired, more are
    looked at, and then what has not expired in the whole store, if that is few.
    """

    def newest(group: tuple[str, str, str], limit: int) -> tuple[int, int]:
        profile, rules, issuer = group
        # A range of one value, and its order: PostgreSQL's planner would otherwise walk over
        # the certificates of everybody, in order of ids, to find those of this issuer.
        rows = (
            select(_i.not_after_us, _i.source)
            .where(_i.profile == profile, _i.certificate_profile == rules)
            .where(_i.issuer_id.between(issuer, issuer))
            .order_by(_i.issuer_id.desc(), _i.id.desc())
        )
        return _counted(connection, rows.limit(limit), lambda row: row.c.not_after_us >= now_us)

    known = [*groups(connection, CertificateFilter(issuer_id=issuer_id))]
    share = most // max(len(known), 1) + 1
    found = {group: newest(group, share) for group in known}
    left = most - sum(looked for looked, _ in found.values())
    for group, (looked, _) in found.items():
        if looked == share and left > 0:
            found[group] = newest(group, share + left)
            left -= found[group][0] - looked
    number = sum(each for _, each in found.values())
    if number or left > 0:
        return number
    alive = select(_i.issuer_id, _i.source).where(_i.not_after_us >= now_us)
    rows = alive.order_by(_i.not_after_us).limit(most + 1)
    looked, number = _counted(connection, rows, lambda row: row.c.issuer_id == issuer_id)
    return number if number or looked <= most else None


def _counted(
    connection: Connection,
    rows: Select[Any],
    fits: Callable[[Subquery], ColumnElement[bool]],
) -> tuple[int, int]:
    """How many rows there are, and how many of them fit and are not our own."""
    row = rows.subquery()
    wanted = and_(fits(row), row.c.source != CertificateSource.INTERNAL.value)
    clause = select(func.count(), func.coalesce(func.sum(case((wanted, 1), else_=0)), 0))
    looked, number = connection.execute(clause.select_from(row)).one()
    return int(looked), int(number)


def _issuers(connection: Connection, clause: Select[Any]) -> Sequence[StoredIssuer]:
    return [
        StoredIssuer(
            id=row[0],
            version=row[1],
            type=row[2],
            display_name=row[3],
            state=IssuerState(row[4]),
            key_type=row[5],
            validity_s=row[6],
            created_us=row[7],
            created_by=row[8],
            changed_us=row[9],
            chain=_certificates(row[10]),
            csr_der=row[11],
        )
        for row in connection.execute(clause).fetchall()
    ]


def _certificates(octets: bytes) -> tuple[bytes, ...]:
    """DER values that follow each other; what is no certificate ends them, and whoever
    opens the issuer finds a chain that does not fit its key.
    """
    found = []
    at = 0
    while at < len(octets):
        end = _end(octets, at)
        found.append(octets[at:end])
        at = end
    return tuple(found)


def _end(octets: bytes, at: int) -> int:
    try:
        return expect(octets, at, len(octets), SEQUENCE)[1]
    except ValueError:
        return len(octets)
