"""Checks of programs that the settings name: they run with the authority's rights.

Whoever can change such a program, or put another one in its place, is the CA. So neither
it nor the folder it lies in may be writable by others.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from certctl.settings.catalogue import issuing
from certctl.settings.findings import shown
from certctl.settings.given import Given
from certctl.settings.schema import IssuerSettings

ALLOWED = "the path of an executable file that only its owner can change"


class ProgramFault(Exception):
    """A program that must not or cannot be run; the text says why."""


def check_programs(issuer: IssuerSettings, given: Given) -> None:
    """Judge the programs of an issuer; faults go into the report."""
    script = issuer.script
    if script is None:
        return
    for variable, path in (
        (issuing.SIGN, script.sign),
        (issuing.FIND, script.find),
        (issuing.REVOKE, script.revoke),
    ):
        if path is None or not given.is_set(variable, issuer.id):
            continue
        try:
            _check_program(path)
        except ProgramFault as err:
            given.refuse(
                variable,
                issuer.id,
                f"the program cannot be used: {err}",
                "mend it or name another",
                came=shown(str(path)),
                allowed=ALLOWED,
            )


def _check_program(path: Path) -> None:
    try:
        # Whatever links lead to it: what counts is the file that is run.
        file = path.resolve(strict=True)
        found, folder = file.stat(), file.parent.stat()
    except OSError as err:
        raise ProgramFault(f"it cannot be read: {err.strerror}") from err
    if not stat.S_ISREG(found.st_mode):
        raise ProgramFault("it is not a regular file")
    if not os.access(file, os.X_OK):
        raise ProgramFault("it is not executable (chmod 755)")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ProgramFault("others than its owner can change it (chmod go-w)")
    # In a folder with the sticky bit (/tmp) only the owner can replace a file.
    if folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX:
        raise ProgramFault("others can replace it, because they can write to its folder")
