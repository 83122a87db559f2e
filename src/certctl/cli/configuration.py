"""What every command on the host begins with: the settings, or all their faults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from certctl.cli.ending import EXIT_USAGE, complain
from certctl.settings import SettingsRefused, load_settings
from certctl.settings.render import render_findings
from certctl.settings.schema import Settings

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="File of CERTCTL_NAME=value lines (systemd EnvironmentFile); the environment wins.",
        show_default=False,
    ),
]


def settings_or_exit(config: Path | None, *, check_files: bool = True) -> Settings:
    """The settings, or the end with all their faults on standard error.

    A command beside a running server leaves ``check_files`` out: a bundle that is half
    written at this moment must not keep anybody from revoking.
    """
    try:
        return load_settings(os.environ, config, check_files=check_files)
    except SettingsRefused as refused:
        complain(render_findings(refused.findings))
        raise typer.Exit(EXIT_USAGE) from refused
