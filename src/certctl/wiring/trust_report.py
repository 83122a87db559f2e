"""The trust bundle of one profile, for people: anchors in force, and what became of its file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from certctl.domain.errors import TrustRefused
from certctl.domain.profiles import profile_name
from certctl.domain.trust_change import TrustChange
from certctl.domain.trust_report import AnchorFacts, BundleReport
from certctl.settings.schema import EstProfileSettings, Settings
from certctl.trust.accepted import (
    REGISTRATION,
    TRUST,
    BundleStatus,
    Kind,
    accepted_file,
    load_accepted,
    only_in,
    read_status,
    status_file,
)
from certctl.trust.bundle import Bundle, BundleRefused, read_bundle_file
from certctl.trust.presented import read_presented
from certctl.trust.readings import Readings
from certctl.wiring import host
from certctl.wiring.reload import registration_directory, trust_directory


def trust_reports(settings: Settings, path_id: str, *, now_us: int) -> list[BundleReport]:
    """Whom a profile trusts, and its registration authorities where it has any."""
    running = host.is_running(settings)
    server = settings.server
    chosen = _profile(settings, path_id)
    both = [_trust_files(settings, chosen)]
    if chosen.ra_certificates_path is not None:
        listed = _Files(
            kind=REGISTRATION,
            name="registration_authorities",
            path=chosen.ra_certificates_path,
            directory=registration_directory(server),
        )
        both.append(listed)
    reports = _Reports()
    return [reports.of(path_id, each, now_us=now_us, running=running) for each in both]


class TrustInForce:
    """Whom profiles trust, for a server that is asked again and again: of what has not changed
    since, nothing is read but the file's times. From any thread.
    """

    def __init__(self, settings: Settings) -> None:
        profiles = settings.est.profiles
        self._files = {each.profile.path_id: _trust_files(settings, each) for each in profiles}
        self._reports = _Reports()

    def __call__(self, path_id: str, now_us: int) -> BundleReport:
        return self._reports.of(path_id, self._files[path_id], now_us=now_us, running=True)


def trust_preview(settings: Settings, path_id: str, now_us: int) -> TrustChange:
    """What a reload of this profile's bundle would change now; changes nothing.

    The authority reads the file once more when it reloads: then its word holds.

    Raises:
        TrustRefused: a reload would be refused, and why.
    """
    path = _profile(settings, path_id).trust_bundle_path
    if path is None:
        raise TrustRefused(
            "no_bundle",
            problem=f"EST profile {profile_name(path_id)} has no {TRUST.name}",
            remedy=f"set its {TRUST.setting} and start the server again",
        )
    try:
        sha256 = hashlib.sha256(read_bundle_file(path)).hexdigest()
        fresh = TRUST.load(path, now_us=now_us)
        present = load_accepted(trust_directory(settings.server), path_id, TRUST)
    except BundleRefused as refused:
        raise TrustRefused(
            "bundle", problem=f"{path}: {refused.problem}", remedy=refused.remedy
        ) from refused
    return TrustChange(
        path_id=path_id,
        path=str(path),
        sha256=sha256,
        changed=present.sha256 != sha256,
        added=only_in(fresh, present.bundle),
        removed=only_in(present.bundle, fresh),
        count=len(fresh.anchors),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    kind: Kind
    name: str
    path: Path | None
    directory: Path


def _profile(settings: Settings, path_id: str) -> EstProfileSettings:
    (chosen,) = (each for each in settings.est.profiles if each.profile.path_id == path_id)
    return chosen


def _trust_files(settings: Settings, chosen: EstProfileSettings) -> _Files:
    return _Files(
        kind=TRUST,
        name="trust_bundle",
        path=chosen.trust_bundle_path,
        directory=trust_directory(settings.server),
    )


MOST_OCTETS: Final = 16 * 1024 * 1024
"""Of bundles whose anchors are kept; those take no more memory than their PEM is long."""


class _Reports:
    """Makes reports; expiry is told by the clock of each, what files say may be kept."""

    def __init__(self) -> None:
        self._anchors = Readings[tuple[AnchorFacts, ...]](MOST_OCTETS)
        self._statuses = Readings[BundleStatus | None]()
        self._digests = Readings[str]()

    def of(self, path_id: str, files: _Files, *, now_us: int, running: bool) -> BundleReport:
        """As the server has loaded it, else as the file says."""
        path, directory = files.path, files.directory
        if path is None:
            return BundleReport(path_id=path_id, path=None, kind=files.name)
        status = self._status(directory, path_id, now_us) if running else None
        try:
            if status is None:
                facts = _facts(files.kind.load(path, now_us=now_us))
            else:
                facts = self._in_force(path_id, files, now_us)
        except BundleRefused as refused:
            notes = (f"the {files.kind.name} {refused.problem}; {refused.remedy}",)
            return BundleReport(path_id=path_id, path=str(path), kind=files.name, notes=notes)
        anchors = tuple(each.at(now_us) for each in facts)
        if status is None:
            notes = ("no server runs here: this is what the file says",)
            return BundleReport(
                path_id=path_id, path=str(path), kind=files.name, anchors=anchors, notes=notes
            )
        return BundleReport(
            path_id=path_id,
            path=str(path),
            kind=files.name,
            accepted_us=status.accepted_us,
            sha256=status.sha256,
            anchors=anchors,
            notes=_notes(status, self._digest(path, now_us), path_id),
        )

    def _status(self, directory: Path, path_id: str, now_us: int) -> BundleStatus | None:
        path = status_file(directory, path_id)
        return self._statuses.of(path, lambda: read_status(directory, path_id), now_us=now_us)

    def _in_force(self, path_id: str, files: _Files, now_us: int) -> tuple[AnchorFacts, ...]:
        """Raises BundleRefused."""
        directory, kind = files.directory, files.kind
        return self._anchors.of(
            accepted_file(directory, path_id),
            lambda: _facts(load_accepted(directory, path_id, kind).bundle),
            now_us=now_us,
        )

    def _digest(self, path: Path, now_us: int) -> str:
        """Of the operator's file; empty: it cannot be read now."""
        try:
            return self._digests.of(
                path, lambda: hashlib.sha256(read_bundle_file(path)).hexdigest(), now_us=now_us
            )
        except BundleRefused:
            return ""


def _notes(status: BundleStatus, file_sha256: str, path_id: str) -> tuple[str, ...]:
    notes = []
    if status.refused is not None:
        when = datetime.fromtimestamp(status.refused.at_us // 1_000_000, UTC)
        notes.append(
            f"the reload of {when:%Y-%m-%d %H:%M:%S}Z was refused:"
            f" {status.refused.problem}; {status.refused.remedy}"
        )
    if not file_sha256:
        notes.append("the file cannot be read now")
    elif file_sha256 != status.sha256:
        option = f" --profile {path_id}" if path_id else ""
        notes.append(
            f"the file has changed since and is not in force: certctl-server trust reload{option}"
        )
    return tuple(notes)


def _facts(bundle: Bundle) -> tuple[AnchorFacts, ...]:
    found = []
    for anchor in bundle.anchors:
        credential = read_presented(anchor.der).credential()
        found.append(
            AnchorFacts(
                subject=anchor.subject,
                issuer=credential.issuer,
                serial=credential.serial,
                sha256=credential.fingerprint.hex(),
                not_before_us=anchor.not_before_us,
                not_after_us=anchor.not_after_us,
            )
        )
    return tuple(found)
