"""``certctl-server audit``: prove that the trail is whole, and take it away."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from certctl.cli.configuration import EXIT_USAGE, ConfigFile, settings_or_exit

EXIT_FAILED = 1
EXIT_FINDINGS = 8

audit = typer.Typer(name="audit", help="Verify and export the audit trail.", no_args_is_help=True)


@audit.callback()
def _group() -> None:
    """Verify and export the audit trail."""


@audit.command()
def verify(
    *,
    export: Annotated[
        Path | None,
        typer.Option(help="Verify this exported file instead of the store; needs --key."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Public keys (PEM) that may have sealed; default DATA_DIR/audit.pub."),
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(help="Checkpoints kept elsewhere (AUDIT_COPY): finds a tail cut off."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Walk every event and every checkpoint; name the first that was changed or removed.

    Works beside a running server, and offline on an export. Exit code 8 when something
    does not fit.

    Example: certctl-server audit verify --export trail.jsonl --key audit.pub
    """
    # Loads the database and the cryptography.
    from certctl.authority import verify as proof  # noqa: PLC0415
    from certctl.store import StoreError  # noqa: PLC0415
    from certctl.wiring import audit_key, audit_trail, host  # noqa: PLC0415

    if export is not None and key is None:
        print("certctl-server: --export needs --key: whose seals shall count?", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    try:
        if export is not None and key is not None:
            keys = audit_key.read_public_keys(key)
            checkpoints, events = audit_trail.read_export(export)
            outside = audit_trail.kept_checkpoints(kept) if kept else []
            done = proof.verify(checkpoints, events, keys=keys, kept=outside)
        else:
            settings = settings_or_exit(config)
            keys = audit_key.read_public_keys(
                key or settings.server.data_dir / audit_key.PUBLIC_FILE
            )
            records = host.records(settings)
            outside = audit_trail.kept_checkpoints(kept) if kept else []
            done = proof.verify(
                audit_trail.stored_checkpoints(records),
                audit_trail.stored_events(records),
                keys=keys,
                kept=outside,
            )
            records.close()
    except proof.Broken as broken:
        print(f"BROKEN  {broken}", file=sys.stderr)
        raise typer.Exit(EXIT_FINDINGS) from broken
    except (StoreError, OSError, ValueError) as refused:
        print(f"certctl-server: {refused}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from refused
    print(f"whole   {done.events} events, {done.checkpoints} checkpoints")
    if done.last is not None:
        when = datetime.fromtimestamp(done.last.made_us // 1_000_000, UTC)
        print(f"        last seal: number {done.last.number}, {when:%Y-%m-%d %H:%M:%S}Z,")
        print(f"        by key {done.last.key_id}; {done.unsealed} events came after it")


@audit.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the JSON lines; - is the screen.")],
    *,
    config: ConfigFile = None,
) -> None:
    """Write the whole trail, checkpoints included, as JSON lines; also beside a server.

    Example: certctl-server audit export trail.jsonl
    """
    settings = settings_or_exit(config)
    from certctl.authority.verify import Broken  # noqa: PLC0415 - loads the cryptography
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database
    from certctl.wiring import audit_trail, host  # noqa: PLC0415 - loads the database

    try:
        records = host.records(settings)
        if str(file) == "-":
            audit_trail.export(records, sys.stdout.buffer)
            return
        # Somebody's export is evidence: an old one is never overwritten.
        with file.open("xb") as written:
            checkpoints, events = audit_trail.export(records, written)
        records.close()
    except FileExistsError as refused:
        print(f"certctl-server: {file} is there already; choose another name.", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from refused
    except (StoreError, Broken, OSError) as refused:
        print(f"certctl-server: {refused}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from refused
    print(f"{file}: {events} events, {checkpoints} checkpoints")
