"""The trust bundle of one profile, for people: anchors in force, and what became of its file."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from certctl.domain.clock import DAY_US
from certctl.settings.schema import Settings
from certctl.trust.accepted import BundleStatus, load_accepted, read_status
from certctl.trust.bundle import Bundle, BundleRefused, load_bundle, read_bundle_file
from certctl.trust.presented import read_presented
from certctl.wiring import host
from certctl.wiring.reload import trust_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReport:
    """One anchor; ``serial`` in hexadecimal, times in microseconds since the epoch."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before_us: int
    not_after_us: int
    days_left: int
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """``accepted_us`` and ``sha256`` are None where no server runs; ``notes`` are sentences."""

    path_id: str
    path: str | None
    accepted_us: int | None = None
    sha256: str | None = None
    anchors: tuple[AnchorReport, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def trust_report(settings: Settings, path_id: str, *, now_us: int) -> BundleReport:
    """What a profile trusts: as its server has loaded it, else as its file says."""
    (path,) = (
        each.trust_bundle_path for each in settings.est.profiles if each.profile.path_id == path_id
    )
    if path is None:
        return BundleReport(path_id=path_id, path=None)
    directory = trust_directory(settings.server)
    status = read_status(directory, path_id) if host.is_running(settings) else None
    try:
        if status is None:
            anchors = _anchors(load_bundle(path, now_us=now_us), now_us)
            notes = ("no server runs here: this is what the file says",)
            return BundleReport(path_id=path_id, path=str(path), anchors=anchors, notes=notes)
        anchors = _anchors(load_accepted(directory, path_id).bundle, now_us)
    except BundleRefused as refused:
        notes = (f"the bundle {refused.problem}; {refused.remedy}",)
        return BundleReport(path_id=path_id, path=str(path), notes=notes)
    try:
        file_sha256 = hashlib.sha256(read_bundle_file(path)).hexdigest()
    except BundleRefused:
        file_sha256 = ""
    return BundleReport(
        path_id=path_id,
        path=str(path),
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
