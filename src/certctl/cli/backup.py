"""``certctl-server backup`` and ``restore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from certctl.authority.commands import BackupNoted, NoteBackup
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FAILED, EXIT_USAGE, complain, stop
from certctl.cli.progress import Progress
from certctl.cli.text import Quiet, utc
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of
from certctl.settings.schema import Settings

PIPE = Path("-")


def backup(
    file: Annotated[Path, typer.Argument(help="New file to write; - is standard output.")],
    *,
    keys_only: Annotated[
        bool, typer.Option("--keys-only", help="Without the database (for PostgreSQL).")
    ] = False,
    quiet: Quiet = False,
    config: ConfigFile = None,
) -> None:
    """Write database, CA keys and all else that cannot be made again into one file.

    Works beside a running server: the file holds the state of one moment, and everything
    answered before is in it. Whoever has the file has the CA's key: keep it encrypted.

    Example: certctl-server backup - | age -r RECIPIENT > certctl.backup.age
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.store.snapshot import SnapshotFailed  # noqa: PLC0415
    from certctl.wiring import backup as making  # noqa: PLC0415
    from certctl.wiring.clock import system_clock  # noqa: PLC0415

    target = None if file == PIPE else file.absolute()
    if target is None and sys.stdout.isatty():
        stop("a backup holds keys: it is not written to a terminal.", EXIT_FAILED)
    try:
        making.judge_target(settings, target, keys_only=keys_only)
        _note(settings, str(target or "standard output"))
        with Progress(quiet=quiet) as progress:
            made = making.make_backup(
                settings, target, keys_only=keys_only, clock=system_clock, stage=progress.tell
            )
    except (making.BackupRefused, SnapshotFailed, StoreError, OSError) as refused:
        stop(f"no backup was made: {refused}", EXIT_FAILED)
    for path in made.outside:
        complain(f"{file}: not in it, since it lies elsewhere: {path}")
    if quiet:
        return
    complain(f"{file}: {len(made.manifest.parts)} parts, {made.manifest.octets >> 10} KiB")
    for head in made.manifest.heads:
        complain(f"  audit chain {head.node} up to event {head.seq}")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup; - is standard input.")],
    *,
    quiet: Quiet = False,
    config: ConfigFile = None,
) -> None:
    """Put a backup into an empty data directory, after checking all of it.

    Hashes, database, audit trail and CA are verified before anything is put in place. The
    audit trail goes on with an event that tells of the restore.

    Example: age -d -i KEY certctl.backup.age | certctl-server restore -
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.wiring import host  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import restore as placing  # noqa: PLC0415
    from certctl.wiring.clock import system_clock  # noqa: PLC0415

    try:
        opened = sys.stdin.buffer if file == PIPE else file.open("rb")
    except OSError as err:
        stop(f"{file} cannot be read: {err.strerror}.", EXIT_USAGE)
    try:
        with Progress(quiet=quiet) as progress, opened as source:
            manifest = placing.restore(
                settings,
                source,
                actor=host.operator(),
                clock=system_clock,
                stage=progress.tell,
            )
    except (placing.RestoreRefused, OSError) as refused:
        stop(f"nothing was restored: {refused}", EXIT_FAILED)
    print(f"{settings.server.data_dir}: {len(manifest.parts)} parts restored")
    print(f"  as they were at {utc(manifest.made_us)}Z; what came on record later is lost here")
    for head in manifest.heads:
        print(f"  audit chain {head.node} goes on after event {head.seq}")


def _note(settings: Settings, target: str) -> None:
    """Who takes the keys away is on record, in the backup too; without a store, only said."""
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host  # noqa: PLC0415

    try:
        command = NoteBackup(target=target, actor=host.operator())
        host.run_command(settings, command, BackupNoted)
    except (StoreError, Failure) as failure:
        # A server whose disk is full or damaged is the one that most needs a backup.
        complain(f"certctl-server: the backup is not in the audit trail: {words_of(failure)}")
