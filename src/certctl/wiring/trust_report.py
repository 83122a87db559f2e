"""The trust bundle of one profile, for people: anchors in force, and what became of its file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from certctl.domain.clock import DAY_US
from certctl.domain.errors import TrustRefused
from certctl.domain.profiles import profile_name
from certctl.domain.trust_change import TrustChange
from certctl.domain.trust_report import AnchorReport, BundleReport
from certctl.settings.schema import Settings
from certctl.trust.accepted import (
    REGISTRATION,
    TRUST,
    BundleStatus,
    Kind,
    load_accepted,
    only_in,
    read_status,
)
from certctl.trust.bundle import Bundle, BundleRefused, read_bundle_file
from certctl.trust.presented import read_presented
from certctl.wiring import host
from certctl.wiring.reload import registration_directory, trust_directory


def trust_reports(
    settings: Settings, path_id: str, *, now_us: int, running: bool | None = None
) -> list[BundleReport]:
    """Whom a profile trusts, and its registration authorities where it has any.

    ``running``: whether a server runs, where that is known.
    """
    if running is None:
        running = host.is_running(settings)
    (chosen,) = (each for each in settings.est.profiles if each.profile.path_id == path_id)
    anchors = _Files(
        kind=TRUST,
        name="trust_bundle",
        path=chosen.trust_bundle_path,
        directory=trust_directory(settings.server),
    )
    listed = _Files(
        kind=REGISTRATION,
        name="registration_authorities",
        path=chosen.ra_certificates_path,
        directory=registration_directory(settings.server),
    )
    both = [anchors, listed] if listed.path is not None else [anchors]
    return [_report(path_id, each, now_us=now_us, running=running) for each in both]


def trust_preview(settings: Settings, path_id: str, now_us: int) -> TrustChange:
    """What a reload of this profile's bundle would change now; changes nothing.

    The authority reads the file once more when it reloads: then its word holds.

    Raises:
        TrustRefused: a reload would be refused, and why.
    """
    (chosen,) = (each for each in settings.est.profiles if each.profile.path_id == path_id)
    path = chosen.trust_bundle_path
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


def _report(path_id: str, files: _Files, *, now_us: int, running: bool) -> BundleReport:
    """As the server has loaded it, else as the file says."""
    path, directory = files.path, files.directory
    if path is None:
        return BundleReport(path_id=path_id, path=None, kind=files.name)
    status = read_status(directory, path_id) if running else None
    try:
        if status is None:
            anchors = _anchors(files.kind.load(path, now_us=now_us), now_us)
            notes = ("no server runs here: this is what the file says",)
            return BundleReport(
                path_id=path_id, path=str(path), kind=files.name, anchors=anchors, notes=notes
            )
        anchors = _anchors(load_accepted(directory, path_id, files.kind).bundle, now_us)
    except BundleRefused as refused:
        notes = (f"the {files.kind.name} {refused.problem}; {refused.remedy}",)
        return BundleReport(path_id=path_id, path=str(path), kind=files.name, notes=notes)
    try:
        file_sha256 = hashlib.sha256(read_bundle_file(path)).hexdigest()
    except BundleRefused:
        file_sha256 = ""
    return BundleReport(
        path_id=path_id,
        path=str(path),
        kind=files.name,
        accepted_us=status.accepted_us,
        sha256=status.sha256,
        anchors=anchors,
        notes=_notes(status, file_sha256, path_id),
    )


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


def _anchors(bundle: Bundle, now_us: int) -> tuple[AnchorReport, ...]:
    found = []
    for anchor in bundle.anchors:
        credential = read_presented(anchor.der).credential()
        found.append(
            AnchorReport(
                subject=anchor.subject,
                issuer=credential.issuer,
                serial=credential.serial,
                sha256=credential.fingerprint.hex(),
                not_before_us=anchor.not_before_us,
                not_after_us=anchor.not_after_us,
                days_left=max(0, (anchor.not_after_us - now_us) // DAY_US),
                expired=anchor.not_after_us < now_us,
            )
        )
    return tuple(found)
