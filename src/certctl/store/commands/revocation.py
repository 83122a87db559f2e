"""Revoke certificates on record, and remember keys in wrong hands (records §4)."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import bindparam, text, update
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateStatus
from certctl.domain.revocation import RevocationReason
from certctl.store.driver import run_each
from certctl.store.statement import positional
from certctl.store.tables import certificates

_REVOKED = CertificateStatus.REVOKED.value
_VALID = CertificateStatus.VALID.value


def revoke_certificates(
    connection: Connection, ids: Collection[str], revoked_us: int, reason: RevocationReason
) -> None:
    """Mark these as revoked, whatever they were: the caller has applied the rules."""
    if ids:
        rows = [(_REVOKED, revoked_us, reason.value, each) for each in ids]
        run_each(connection, _revoke(connection.dialect), rows)


def release_certificates(connection: Connection, ids: Collection[str], released_us: int) -> None:
    """Make these valid again, and keep when: the caller knows that they were on hold."""
    if ids:
        rows = [(_VALID, None, None, each) for each in ids]
        run_each(connection, _revoke(connection.dialect), rows)
        kept = [(each, released_us) for each in ids]
        connection.exec_driver_sql(_release(connection.dialect), kept)


def note_compromised_keys(connection: Connection, keys: Collection[bytes], now_us: int) -> None:
    """Keep SHA-256 of SubjectPublicKeyInfos that no certificate may hold any more."""
    if keys:
        rows = [(key, now_us) for key in keys]
        connection.exec_driver_sql(_note(connection.dialect), rows)


@lru_cache(maxsize=8)
def _revoke(dialect: Dialect) -> str:
    clause = (
        update(certificates)
        .where(certificates.c.id == bindparam("wanted"))
        .values(
            status=bindparam("status"),
            revoked_us=bindparam("revoked_us"),
            revocation_reason=bindparam("revocation_reason"),
        )
    )
    names = ("status", "revoked_us", "revocation_reason", "wanted")
    return positional(clause, dialect, names)


@lru_cache(maxsize=8)
def _release(dialect: Dialect) -> str:
    return positional(
        text(
            "INSERT INTO released_holds (certificate_id, released_us) VALUES (:id, :now_us)"
            " ON CONFLICT (certificate_id) DO UPDATE SET released_us = excluded.released_us"
        ),
        dialect,
        ("id", "now_us"),
    )


@lru_cache(maxsize=8)
def _note(dialect: Dialect) -> str:
    return positional(
        text(
            "INSERT INTO compromised_keys (spki_sha256, noted_us) VALUES (:key, :now_us)"
            " ON CONFLICT (spki_sha256) DO NOTHING"
        ),
        dialect,
        ("key", "now_us"),
    )
