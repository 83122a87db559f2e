"""Find certificates: states for the gates, whole records for people (records §3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateKey, CertificateRecord, CertificateState
from certctl.store.driver import fetch
from certctl.store.rows import (
    certificate_record,
    certificate_state,
    serial_octets,
    serial_text,
    subject_key,
)
from certctl.store.statement import chunks, ours, positional
from certctl.store.tables import certificates, released_holds
from certctl.wire.identity import comparable_names

NEWEST = 20
"""How many certificates with one key of their names a renewal compares in full."""

_c = certificates.c
_STATE = (
    _c.id,
    _c.fingerprint,
    _c.serial,
    _c.profile,
    _c.status,
    _c.not_before_us,
    _c.not_after_us,
    _c.subject_der,
    _c.san_der,
    _c.revocation_reason,
)


def states(
    connection: Connection, keys: Collection[CertificateKey]
) -> Mapping[bytes, CertificateState]:
    """Current state by SHA-256 fingerprint; absent ones are left out."""
    wanted = {key.fingerprint for key in keys}
    serials = {octets for key in keys if (octets := _octets(key.serial)) is not None}
    found: dict[bytes, CertificateState] = {}
    for some in chunks(serials):
        for row in fetch(connection, _states(connection.dialect, len(some)), some):
            # Another CA may have given the same number: the fingerprint decides.
            if row[1] in wanted:
                found[row[1]] = certificate_state(row)
    return found


def has_serial(connection: Connection, issuer_id: str, serial: str) -> bool:
    """Whether the issuer has given this number to a certificate on record."""
    clause = select(_c.id).where(_c.serial == _octets(serial), _c.issuer_id == issuer_id)
    return connection.execute(clause).first() is not None


def _octets(serial: str) -> bytes | None:
    """None for a number that nothing on record can have: over 20 octets, or negative."""
    try:
        return serial_octets(serial)
    except ValueError:
        return None


def newest_valid(
    connection: Connection, profile: str, subject_der: bytes, san_der: bytes, now_us: int
) -> CertificateState | None:
    """The valid certificate of this profile and these names with the highest id."""
    rows = fetch(
        connection,
        _newest(connection.dialect),
        (subject_key(subject_der, san_der), profile, now_us),
    )
    wanted = comparable_names(subject_der, san_der)
    for state in map(certificate_state, rows):
        if comparable_names(state.subject_der, state.san_der) == wanted:
            return state
    return None


def certificate(connection: Connection, certificate_id: str) -> CertificateRecord | None:
    rows = connection.execute(select(certificates).where(_c.id == certificate_id)).fetchall()
    return certificate_record(rows[0]) if rows else None


def our_records(connection: Connection, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
    """Whole records by id, which nobody else revokes until the transaction ends; absent
    ones are left out.
    """
    clause = select(certificates).where(_c.id.in_([*ids])).order_by(_c.id)
    rows = connection.execute(ours(clause)).fetchall()
    return {row[0]: certificate_record(row) for row in rows}


def with_serial(connection: Connection, serial: str) -> Sequence[CertificateRecord]:
    """Certificates with this serial number, one per issuer; none for what is no number."""
    octets = _octets(serial)
    if octets is None:
        return []
    clause = select(certificates).where(_c.serial == octets).order_by(_c.issuer_id)
    return [certificate_record(row) for row in connection.execute(clause).fetchall()]


def serials_on_record(
    connection: Connection, serials: Collection[str]
) -> Mapping[tuple[str, str], bytes]:
    """Fingerprints by issuer id and serial number, for the numbers that are there."""
    wanted = {octets for serial in serials if (octets := _octets(serial)) is not None}
    found = {}
    for some in chunks(wanted):
        clause = select(_c.issuer_id, _c.serial, _c.fingerprint).where(_c.serial.in_(some))
        for issuer_id, octets, fingerprint in connection.execute(clause):
            found[issuer_id, serial_text(octets)] = fingerprint
    return found


def released_us(connection: Connection, certificate_id: str) -> int | None:
    clause = select(released_holds.c.released_us).where(
        released_holds.c.certificate_id == certificate_id
    )
    return connection.execute(clause).scalar()


def page(connection: Connection, after: str | None, limit: int) -> Sequence[CertificateRecord]:
    """The next records in order of id, at most ``limit``."""
    clause = select(certificates).order_by(_c.id).limit(limit)
    if after is not None:
        clause = clause.where(_c.id > after)
    return [certificate_record(row) for row in connection.execute(clause).fetchall()]


@lru_cache(maxsize=64)
def _states(dialect: Dialect, size: int) -> str:
    names = [f"key_{n}" for n in range(size)]
    clause = select(*_STATE).where(_c.serial.in_([bindparam(name) for name in names]))
    return positional(clause, dialect, names)


@lru_cache(maxsize=8)
def _newest(dialect: Dialect) -> str:
    clause = (
        select(*_STATE)
        .where(_c.subject_key == bindparam("subject_key"))
        .where(_c.profile == bindparam("profile"))
        .where(_c.status == literal_column("'valid'"))
        .where(_c.not_after_us > bindparam("now_us"))
        .order_by(_c.id.desc())
        .limit(literal_column(str(NEWEST)))
        # Said, or SQLite's compiler adds a parameter of its own for it.
        .offset(literal_column("0"))
    )
    return positional(clause, dialect, ("subject_key", "profile", "now_us"))
