"""The quick start's API key: an admin's, kept in a file (0600), made where there is none.

Whoever can read the file can read the CA's key beside it, so it opens nothing more.
"""

from __future__ import annotations

from pathlib import Path

from certctl.authority.commands import ApiKeyDone
from certctl.cli.new_key import NewApiKey
from certctl.domain.api_keys import Role, key_id_of
from certctl.domain.errors import Failure
from certctl.issuers.atomic_write import write_file
from certctl.settings.schema import Settings
from certctl.store import StoreError
from certctl.wiring import host
from certctl.wiring.clock import system_clock
from certctl.wiring.pepper import PepperRefused

NAME = "quickstart"


class AdminKeyFailed(Exception):
    """It could not be made; the text says why."""


def keep_admin_key(settings: Settings, path: Path) -> None:
    """See to it that the file holds a key of these records, beside the running server.

    One that was revoked stays revoked: that was somebody's will.

    Raises:
        AdminKeyFailed: the records, the authority or the file refused.
    """
    try:
        if _on_record(settings, path):
            return
        made = NewApiKey.at(system_clock(), host.pepper(settings))
        command = made.command(host.operator(), name=NAME, role=Role.ADMIN)
        host.run_command(settings, command, ApiKeyDone)
        write_file(path, made.text.encode() + b"\n", mode=0o600, replace=True)
    except (Failure, StoreError, PepperRefused, OSError) as err:
        raise AdminKeyFailed(str(err)) from err


def _on_record(settings: Settings, path: Path) -> bool:
    try:
        key_id = key_id_of(path.read_text(errors="replace").strip())
    except FileNotFoundError:
        return False
    records = host.records(settings)
    try:
        return any(each.id == key_id for each in records.api_keys())
    finally:
        records.close()
