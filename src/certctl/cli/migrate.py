"""``certctl-server migrate``: the tables of this version, where a server does not make them."""

from __future__ import annotations

from certctl.cli.ending import EXIT_FAILED, stop
from certctl.settings.schema import Settings
from certctl.store import StoreError, migrate_store
from certctl.store.schema import REVISIONS
from certctl.store.url import is_postgres


def migrate(settings: Settings) -> None:
    """Migrate, and say from where to where."""
    if not is_postgres(settings.server.database_url):
        print("The embedded database is migrated by the server that opens it: nothing to do.")
        return
    try:
        found = migrate_store(settings.server.database_url)
    except StoreError as refused:
        stop(str(refused), EXIT_FAILED)
    if found == REVISIONS[-1]:
        print(f"The database has schema {found} already: nothing to do.")
    else:
        print(f"Migrated from schema {found or 'none'} to {REVISIONS[-1]}.")
