"""``certctl-server audit``: prove that the trail is whole, and take it away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import (
    EXIT_FAILED,
    EXIT_FINDINGS,
    EXIT_USAGE,
    complain,
    from_records,
    stop,
)
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.progress import Progress
from certctl.cli.text import OutputForm, Quiet, print_data, utc, utc_z

if TYPE_CHECKING:
    from certctl.authority.verify import Proof
    from certctl.store import SqlRecords

audit = typer.Typer(
    name="audit",
    help="Verify and export the audit trail.",
    epilog="Example: certctl-server audit verify",
    no_args_is_help=True,
)


@audit.callback()
def _group() -> None:
    """Verify and export the audit trail."""


@audit.command()
@spread
def verify(
    printing: Printing,
    *,
    export: Annotated[
        Path | None,
        typer.Option(help="Verify this exported file instead of the store; needs --key."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Public keys (PEM) that may have sealed; default DATA_DIR/audit.pub."),
    ] = None,
    copy: Annotated[
        list[Path] | None,
        typer.Option(
            "--copy",
            "--kept",
            help="A copy kept elsewhere (AUDIT_COPY): finds a tail cut off. Again for each"
            " older file that was rotated away, oldest first.",
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Walk every event and every checkpoint; name the first that was changed or removed.

    Works beside a running server, and offline on an export. Exit code 8 when something
    does not fit.

    Example: certctl-server audit verify --export trail.jsonl --key audit.pub
    """
    from certctl.authority import verify as proof  # noqa: PLC0415 - loads the cryptography
    from certctl.wiring import audit_key, audit_trail  # noqa: PLC0415 - loads the database

    if export is not None and key is None:
        stop("--export needs --key: whose seals shall count?", EXIT_USAGE)
    try:
        if export is not None and key is not None:
            keys = audit_key.read_public_keys(key)
            checkpoints, stubs, events = audit_trail.read_export(export)
            outside = audit_trail.read_copy(copy or [])
            done = proof.verify(
                checkpoints,
                events,
                keys=keys,
                kept=outside.checkpoints,
                tail=outside.tail,
                stubs=stubs,
            )
        else:
            settings = settings_or_exit(config, check_files=False)
            keys = audit_key.read_public_keys(
                key or settings.server.data_dir / audit_key.PUBLIC_FILE
            )
            outside = audit_trail.read_copy(copy or [])

            def whole(records: SqlRecords) -> Proof:
                total = sum(head.seq for head in records.chain_heads())
                with Progress(quiet=printing.quiet) as progress:
                    return audit_trail.verify_store(
                        records,
                        keys=keys,
                        kept=outside,
                        told=lambda events: audit_trail.told_to(progress.tell, events, total),
                    )

            done = from_records(settings, whole)
    except proof.Broken as broken:
        complain(f"BROKEN  {broken}")
        if printing.form is not OutputForm.TABLE:
            told = {"whole": False, "where": broken.where, "problem": broken.what}
            print_data(told, printing.form)
        raise typer.Exit(EXIT_FINDINGS) from broken
    except OSError as err:
        given = {str(each) for each in (export, key, *(copy or ())) if each is not None}
        code = EXIT_USAGE if str(err.filename) in given else EXIT_FAILED
        stop(f"{err.filename} cannot be read ({err.strerror}); {_remedy(err)}", code)
    except ValueError as refused:
        stop(str(refused), EXIT_FAILED)
    printing.show(_data(done), lambda: _print(done))


def _data(done: Proof) -> dict[str, Any]:
    last = done.last
    return {
        "whole": True,
        "events": done.events,
        "checkpoints": done.checkpoints,
        "dropped": done.dropped,
        "unsealed": done.unsealed,
        "last_seal": None
        if last is None
        else {"number": last.number, "made_at": utc_z(last.made_us), "key_id": last.key_id},
    }


def _print(done: Proof) -> None:
    print(f"whole   {_counted(done.events, done.checkpoints)}")
    if done.dropped:
        print(f"        {done.dropped} older events were dropped by retention, as its stubs say")
    if done.last is not None:
        print(f"        last seal: number {done.last.number}, {utc(done.last.made_us)}Z,")
        print(f"        by key {done.last.key_id}; {done.unsealed} events came after it")


def _remedy(err: OSError) -> str:
    from certctl.wiring.audit_key import PUBLIC_FILE  # noqa: PLC0415 - loads the database

    if isinstance(err, FileNotFoundError) and Path(err.filename).name == PUBLIC_FILE:
        return (
            "no server has kept an audit trail there: check CERTCTL_DATA_DIR, or name the public"
            " keys with --key."
        )
    return "check the path and its permissions."


@audit.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the JSON lines; - is the screen.")],
    *,
    quiet: Quiet = False,
    config: ConfigFile = None,
) -> None:
    """Write the whole trail, checkpoints included, as JSON lines; also beside a server.

    Example: certctl-server audit export trail.jsonl
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.authority.verify import Broken  # noqa: PLC0415 - loads the cryptography
    from certctl.wiring import audit_trail  # noqa: PLC0415 - loads the database

    to_screen = str(file) == "-"

    def write(records: SqlRecords) -> tuple[int, int]:
        if to_screen:
            return audit_trail.export(records, sys.stdout.buffer)
        # Somebody's export is evidence: an old one is never overwritten.
        with file.open("xb") as written:
            return audit_trail.export(records, written)

    try:
        checkpoints, events = from_records(settings, write)
    except FileExistsError:
        stop(f"{file} is there already; choose another name.", EXIT_FAILED)
    except (Broken, OSError) as refused:
        stop(str(refused), EXIT_FAILED)
    if not to_screen and not quiet:
        complain(f"{file}: {_counted(events, checkpoints)}")


def _counted(events: int, checkpoints: int) -> str:
    plural = "" if checkpoints == 1 else "s"
    return f"{events} event{'' if events == 1 else 's'}, {checkpoints} checkpoint{plural}"
