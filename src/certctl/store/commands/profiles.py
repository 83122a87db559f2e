"""Keep certificate profiles as documents (policy §1); what is in them is others' to judge."""

from __future__ import annotations

from sqlalchemy import delete, text
from sqlalchemy.engine import Connection

from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.ports import DuplicateKey
from certctl.store.tables import certificate_profiles


def put_profile(connection: Connection, profile: StoredProfile) -> None:
    """Write one profile's row, whether there was one or not.

    Raises:
        DuplicateKey: another node has written this version or a higher one.
    """
    written = connection.execute(
        text(
            """
INSERT INTO certificate_profiles (id, version, document, changed_us)
VALUES (:id, :version, :document, :changed_us)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, document = excluded.document, changed_us = excluded.changed_us
WHERE certificate_profiles.version < excluded.version"""
        ),
        {
            "id": profile.id,
            "version": profile.version,
            "document": profile.document,
            "changed_us": profile.changed_us,
        },
    )
    if written.rowcount != 1:
        raise DuplicateKey("certificate_profiles.version")


def delete_profile(connection: Connection, profile_id: str) -> None:
    """Remove one profile's row, if there is one."""
    connection.execute(delete(certificate_profiles).where(certificate_profiles.c.id == profile_id))
