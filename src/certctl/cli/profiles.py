"""``certctl-server profiles``: the certificate profiles of files and store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.authority.commands import (
    DeleteCertificateProfile,
    ProfileChanged,
    PutCertificateProfile,
)
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_NOT_FOUND, EXIT_USAGE, command_done, from_records, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.domain.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certctl.domain.certificate_profiles import StoredProfile
    from certctl.settings.schema import Settings

ProfileId = Annotated[str, typer.Argument(help="Id of the certificate profile.", metavar="ID")]

profiles = typer.Typer(
    name="profiles",
    help="Certificate profiles: the rules of issuing.",
    epilog="Example: certctl-server profiles list",
    no_args_is_help=True,
)


@profiles.callback()
def _group() -> None:
    """Certificate profiles: the rules of issuing."""


@profiles.command("list")
@spread
def show_list(printing: Printing, *, config: ConfigFile = None) -> None:
    """List the certificate profiles and where they come from; files win over the store.

    Example: certctl-server profiles list
    """
    settings = settings_or_exit(config, check_files=False)
    files = {path.stem: path for path in _files(settings)}
    stored = _stored(settings)
    rows: list[dict[str, Any]] = [{"id": "default", "origin": "builtin"}]
    rows += [{"id": name, "origin": "file", "path": str(path)} for name, path in files.items()]
    rows += [
        {"id": row.id, "origin": "store", "version": row.version, "hidden": row.id in files}
        for row in stored
    ]

    def people() -> None:
        print("default  built in")
        for name, path in files.items():
            print(f"{name}  {path}")
        for row in stored:
            hidden = "; a file of that name wins" if row.id in files else ""
            print(f"{row.id}  store, version {row.version}{hidden}")

    printing.show({"data": rows}, people)


@profiles.command()
def show(profile_id: ProfileId, *, config: ConfigFile = None) -> None:
    """Print a certificate profile as it was written.

    Example: certctl-server profiles show cp-iot-sensors
    """
    settings = settings_or_exit(config, check_files=False)
    for path in _files(settings):
        if path.stem == profile_id:
            print(path.read_text(encoding="utf-8").rstrip())
            return
    for row in _stored(settings):
        if row.id == profile_id:
            print(json.dumps(json.loads(row.document), indent=2))
            return
    stop(f"no certificate profile {profile_id} is written.", EXIT_NOT_FOUND)


@profiles.command()
@spread
def put(
    file: Annotated[Path, typer.Argument(help="TOML or JSON; its name is the id.", metavar="FILE")],
    printing: Printing,
    *,
    config: ConfigFile = None,
) -> None:
    """Keep a certificate profile in the store, or replace it. It holds within a second.

    Also before the first start: then DATA_DIR must exist (mode 0700).

    Example: certctl-server profiles put cp-iot-sensors.toml
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.settings.certificate_profiles import (  # noqa: PLC0415
        CertificateProfilesRefused,
        document_of_file,
        profile_of_document,
    )
    from certctl.settings.render import render_findings  # noqa: PLC0415

    if not file.is_file():
        stop(f"{file} is no file; give the path of a TOML or JSON file.", EXIT_USAGE)
    try:
        document = document_of_file(file)
        profile_of_document(file.stem, document)
    except CertificateProfilesRefused as refused:
        print(render_findings(refused.findings), file=sys.stderr, end="")
        raise typer.Exit(EXIT_USAGE) from refused
    done = command_done(
        settings,
        lambda actor: PutCertificateProfile(profile_id=file.stem, document=document, actor=actor),
        ProfileChanged,
    )
    _told(done, printing, f"kept as version {done.version}")


@profiles.command()
@spread
def delete(profile_id: ProfileId, printing: Printing, *, config: ConfigFile = None) -> None:
    """Remove a certificate profile from the store, unless an EST profile names it.

    Example: certctl-server profiles delete cp-old
    """
    settings = settings_or_exit(config, check_files=False)
    try:
        done = command_done(
            settings,
            lambda actor: DeleteCertificateProfile(profile_id=profile_id, actor=actor),
            ProfileChanged,
        )
    except NotFound as failure:
        stop(f"there is no {failure}.", EXIT_NOT_FOUND)
    _told(done, printing, "deleted")


def _told(done: ProfileChanged, printing: Printing, what: str) -> None:
    printing.show(
        {"id": done.profile_id, "version": done.version},
        lambda: print(f"{done.profile_id}  {what}"),
    )


def _files(settings: Settings) -> Sequence[Path]:
    directory = settings.server.certificate_profiles_dir
    return sorted(directory.glob("*.toml")) if directory else []


def _stored(settings: Settings) -> Sequence[StoredProfile]:
    return from_records(settings, lambda records: records.stored_profiles())
