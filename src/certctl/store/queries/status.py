"""What OCSP and CRLs say of certificates (records §4): standings and change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from sqlalchemy import bindparam, func, literal_column, select, text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateStatus
from certctl.domain.crl import RECENT_US
from certctl.domain.ocsp import CertificateStanding, Revoked, Standing
from certctl.domain.revocation import RevocationReason
from certctl.store.rows import serial_octets, serial_text
from certctl.store.statement import chunks, positional
from certctl.store.tables import HELD, certificates

_c = certificates.c
# Written out, not bound: only so do SQLite's indexes of revoked certificates fit.
_REVOKED = _c.status == literal_column("'revoked'")


def standings(
    connection: Connection, issuer_id: str, serials: Collection[str]
) -> Mapping[str, CertificateStanding]:
    """By serial (hex); what was never issued, or cannot have been, is left out."""
    numbers = {octets for each in serials if (octets := _octets(each)) is not None}
    found: dict[str, CertificateStanding] = {}
    for some in chunks(numbers):
        statement = _standings(connection.dialect, len(some))
        for row in connection.exec_driver_sql(statement, (issuer_id, *some)).fetchall():
            found[serial_text(row[0])] = _standing(row[1], row[2], row[3])
    return found


def stamp(connection: Connection, issuer_id: str, partition: int | None) -> str:
    """See ``ports.status.StatusReads.revocation_stamp``.

    The newest revocation alone would not show one by a node whose clock is behind, nor
    a release: so those close to it are counted, and holds.
    """
    whose = [_c.issuer_id == issuer_id]
    if partition is not None:
        whose.append(_c.crl_partition == partition)
    of_issuer = (*whose, _REVOKED)
    newest = connection.execute(select(func.max(_c.revoked_us)).where(*of_issuer)).scalar()
    if newest is None:
        return "0"
    recent = select(func.count()).where(*of_issuer, _c.revoked_us > newest - RECENT_US)
    held = select(func.count()).where(*whose, text(HELD))
    counts = (connection.execute(clause).scalar() for clause in (recent, held))
    return ":".join(map(str, (newest, *counts)))


def _octets(serial: str) -> bytes | None:
    try:
        return serial_octets(serial)
    except ValueError:
        return None


def _standing(status: str, revoked_us: int | None, reason: str | None) -> CertificateStanding:
    if status != CertificateStatus.REVOKED:
        return Standing.GOOD
    given = RevocationReason(reason) if reason else RevocationReason.UNSPECIFIED
    return Revoked(revoked_us or 0, given)


@lru_cache(maxsize=64)
def _standings(dialect: Dialect, size: int) -> str:
    names = [f"key_{n}" for n in range(size)]
    clause = (
        select(_c.serial, _c.status, _c.revoked_us, _c.revocation_reason)
        .where(_c.issuer_id == bindparam("issuer_id"))
        .where(_c.serial.in_([bindparam(name) for name in names]))
    )
    return positional(clause, dialect, ("issuer_id", *names))
