"""``certctl-server certificates import``: certificates of other sources on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certctl.authority.caller import expect
from certctl.authority.commands import CertificatesImported, ImportCertificates
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FAILED, EXIT_USAGE, complain, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.progress import Progress
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of
from certctl.domain.imports import MOST_AT_ONCE
from certctl.domain.plain_text import escaped

if TYPE_CHECKING:
    from certctl.settings.schema import Settings
    from certctl.wiring.imports import Readable

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_LONGEST_NAME = 63
_MOST_SHOWN = 100


@spread
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="PEM or DER, each with one or many.", metavar="FILE…")
    ],
    printing: Printing,
    *,
    issuer: Annotated[
        str | None,
        typer.Option(help="What to call a CA that is not this server's: external:NAME."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the others where some are bad.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Put certificates that other sources issued on record (source API).

    They are then found and can be revoked one by one; they renew nothing, and a bulk
    revocation never touches them. Those on record already are counted and stay as they
    are. If one cannot be read, it is named and nothing is imported.

    Example: certctl-server certificates import old-ca/*.pem --issuer old-ca
    """
    if issuer is not None and not (0 < len(issuer) <= _LONGEST_NAME and _NAME.issuperset(issuer)):
        stop("--issuer takes 1 to 63 of a-z 0-9 - and the dot.", EXIT_USAGE)
    settings = settings_or_exit(config, check_files=False)
    from certctl.wiring.imports import read_files  # noqa: PLC0415 - loads the cryptography
    from certctl.wiring.issuer_directory import stored_rows  # noqa: PLC0415 - the database, too

    readable = read_files(files, settings, issuer=issuer, stored=stored_rows(settings))
    for each in readable.bad[:_MOST_SHOWN]:
        complain(escaped(str(each)))
    if len(readable.bad) > _MOST_SHOWN:
        complain(f"… and {len(readable.bad) - _MOST_SHOWN:,} more")
    if readable.bad and not skip_bad:
        stop("nothing was imported. Mend these, or leave them out with --skip-bad.", EXIT_FAILED)
    done = _imported(settings, readable, quiet=printing.quiet)
    bad = len(readable.bad)
    printing.show(
        {"imported": done.imported, "duplicates": done.duplicates, "bad": bad},
        lambda: print(f"imported {done.imported:,}  duplicates {done.duplicates:,}  bad {bad:,}"),
    )


def _imported(settings: Settings, readable: Readable, *, quiet: bool) -> CertificatesImported:
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host  # noqa: PLC0415

    imported, duplicates = 0, readable.repeated
    try:
        with host.authority(settings) as execute, Progress(quiet=quiet) as progress:
            for start in range(0, len(readable.good), MOST_AT_ONCE):
                command = ImportCertificates(
                    certificates=readable.good[start : start + MOST_AT_ONCE],
                    actor=host.operator(),
                )
                done = expect(execute(command), CertificatesImported)
                imported += done.imported
                duplicates += done.duplicates
                progress.tell("Importing", start + len(command.certificates), len(readable.good))
    except (StoreError, Failure) as failure:
        stop(
            f"{words_of(failure)}; {imported:,} are imported so far. The same command again goes"
            " on.",
            EXIT_FAILED,
        )
    return CertificatesImported(imported=imported, duplicates=duplicates)
