"""Certificate profiles out of TOML files and JSON documents, or all their faults at once.

A file in ``CERTCTL_CERTIFICATE_PROFILES_DIR`` is one profile, named by its file name; a
document of the store has the same fields. Nothing is half accepted: one fault anywhere in
a directory and nothing of it is used.
"""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile, LintMode
from certctl.settings.findings import Finding
from certctl.settings.profile_fields import FIELD_NAMES, FIELDS
from certctl.settings.profile_form import Form

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Ids of certificate profiles; they become file names."""

ID_RULE = "letters, digits, dots, hyphens and underscores, at most 64, a letter or digit first"

MAX_OCTETS = 64 * 1024
"""Of one written profile."""

MAX_FILES = 1_000

SUFFIX = ".toml"


class CertificateProfilesRefused(Exception):
    """Written certificate profiles that cannot be used; ``findings`` holds every fault."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = tuple(findings)


def load_certificate_profiles(directory: Path) -> Mapping[str, CertificateProfile]:
    """All profiles of a directory's ``*.toml`` files, by id.

    Raises:
        CertificateProfilesRefused: with the faults of all files.
    """
    findings: list[Finding] = []
    found: dict[str, CertificateProfile] = {}
    for path in _files(directory):
        try:
            profile = _read_file(path)
        except CertificateProfilesRefused as err:
            findings += err.findings
        else:
            found[profile.id] = profile
    if findings:
        raise CertificateProfilesRefused(findings)
    return found


def profile_of_document(profile_id: str, document: str) -> CertificateProfile:
    """The profile of a JSON object as the store keeps it.

    Raises:
        CertificateProfilesRefused: with all its faults.
    """
    source = f"certificate profile {profile_id}"
    if len(document) > MAX_OCTETS:
        raise _refused(source, f"longer than {MAX_OCTETS} octets", "shorten it")
    try:
        table = json.loads(document)
    except (ValueError, RecursionError) as err:
        raise _refused(source, f"not JSON: {err}", "mend it") from err
    if not isinstance(table, dict):
        raise _refused(source, "not a JSON object", "write one with the fields of a profile")
    return read_profile(source, profile_id, cast("Mapping[str, object]", table))


def document_of_file(path: Path) -> str:
    """A profile written as TOML or JSON (by the file's ending) as a JSON document.

    Only the form of the file is judged here.

    Raises:
        CertificateProfilesRefused: unreadable, too long, or neither TOML nor JSON.
    """
    if path.suffix == SUFFIX:
        return json.dumps(_table(path), default=str)
    return _octets(path).decode("utf-8", "replace")


def read_profile(source: str, profile_id: str, table: Mapping[str, object]) -> CertificateProfile:
    """The profile of a written table; ``source`` says in faults where it was written.

    Raises:
        CertificateProfilesRefused: with all its faults.
    """
    form = Form(source, table)
    if not ID.fullmatch(profile_id):
        form.refuse(
            "id", "no id of a profile", came=profile_id, allowed=ID_RULE, remedy="rename it"
        )
    elif profile_id == DEFAULT_PROFILE.id:
        form.refuse("id", "the built-in profile keeps this name", remedy="choose another")
    if table.get("id", profile_id) != profile_id:
        form.refuse(
            "id",
            "differs from the name it is kept under",
            came=table["id"],
            allowed=profile_id,
            remedy="leave it out",
        )
    form.only(("id", *FIELD_NAMES))
    values = {field.name: field.read(form, field.name) for field in FIELDS}
    if values["lint"] is not LintMode.OFF and importlib.util.find_spec("pkilint") is None:
        form.refuse(
            "lint",
            "the linter is not installed",
            came=values["lint"].value,
            allowed="off",
            remedy="install the extra: pip install certctl[lint]",
        )
    if form.findings:
        raise CertificateProfilesRefused(form.findings)
    return CertificateProfile(id=profile_id, **values)


def _files(directory: Path) -> Sequence[Path]:
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix == SUFFIX)
    except OSError as err:
        raise _refused(
            str(directory), f"cannot be read: {err.strerror}", "name a directory of TOML files"
        ) from err
    if len(found) > MAX_FILES:
        raise _refused(str(directory), f"more than {MAX_FILES} files", "remove some")
    return found


def _read_file(path: Path) -> CertificateProfile:
    return read_profile(str(path), path.stem, _table(path))


def _table(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(_octets(path).decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise _refused(str(path), f"not TOML: {err}", "mend it") from err


def _octets(path: Path) -> bytes:
    try:
        # A named pipe would keep the start waiting for ever.
        if not path.is_file():
            raise _refused(str(path), "not a regular file", "remove it")
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as err:
        raise _refused(str(path), f"cannot be read: {err.strerror}", "mend its mode") from err
    if len(octets) > MAX_OCTETS:
        raise _refused(str(path), f"longer than {MAX_OCTETS} octets", "shorten it")
    return octets


def _refused(source: str, problem: str, remedy: str) -> CertificateProfilesRefused:
    return CertificateProfilesRefused([Finding(variable=source, problem=problem, remedy=remedy)])
