"""Trust bundles and lists of registration authorities in force, octet for octet.

An operator's file may be half written, on a share that is away, or changed between two
readings. So only the authority reads it, at its first start and when told to. What it
accepted lies in a directory of this run, and workers load nothing else: all of them
have the same anchors, and one that is restarted while the operator's file is broken
comes up as before. A refused file changes nothing but the status beside the copy.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from certctl.domain.errors import NotFound, TrustRefused
from certctl.domain.profiles import profile_name
from certctl.domain.trust_change import TrustChange
from certctl.obs.log import Log
from certctl.trust.bundle import Anchor, Bundle, BundleRefused, load_bundle, read_bundle_file
from certctl.trust.registration import load_registration_authorities
from certctl.trust.verify import ProfileTrust

# No path ID begins with an underscore.
_ROOT_LABEL = "_root"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last reload was refused, and when (microseconds since the epoch)."""

    at_us: int
    problem: str
    remedy: str


class BundleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force for a profile: the file's path, digest (hexadecimal), since when."""

    path: str
    sha256: str
    accepted_us: int
    refused: Refusal | None = None


class LoadBundle(Protocol):
    """Reads a file and judges what stands in it; raises ``BundleRefused``."""

    def __call__(self, path: Path, *, now_us: int) -> Bundle: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Files of one kind: ``event`` begins their log events, ``name`` and ``setting`` are words."""

    event: str
    name: str
    setting: str
    load: LoadBundle


TRUST = Kind(
    event="trust",
    name="trust bundle",
    setting="MTLS_CLIENT_CA_TRUST_BUNDLE_PATH",
    load=load_bundle,
)
REGISTRATION = Kind(
    event="registration_authorities",
    name="file of registration authorities",
    setting="RA_CERTIFICATES",
    load=load_registration_authorities,
)


class AcceptedBundles:
    """The authority's side (implements ``ports.TrustBundles``), for files of one kind."""

    def __init__(
        self,
        directory: Path,
        sources: Mapping[str, Path | None],
        *,
        kind: Kind = TRUST,
        log: Log,
        on_published: Callable[[], None],
    ) -> None:
        """Use ``directory``, which this user alone may write.

        Args:
            directory: where accepted copies are kept; emptied at each start of the server.
            sources: the operator's file of each profile; None where it has none.
            kind: what the files are.
            log: hears of every reload, taken or refused.
            on_published: makes the workers load what is new.
        """
        self._directory = directory
        self._sources = sources
        self._kind = kind
        self._log = log
        self._on_published = on_published

    def open(self, now_us: int) -> tuple[str, ...]:
        """Accept every bundle that this run of the server has not yet.

        Gives the profiles whose reload an earlier life of the authority began and may not
        have ended: they are to be reloaded.

        Raises:
            BundleRefused: a file must not be used; the server must not start.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = []
        for path_id, path in self._sources.items():
            if path is None:
                continue
            if not accepted_file(self._directory, path_id).exists():
                change = self._read(path_id, path, now_us)
                self._put_in_force(change, now_us)
            elif _next(self._directory, path_id).exists():
                unfinished.append(path_id)
        return tuple(unfinished)

    def examine(self, path_id: str, now_us: int) -> TrustChange:
        """See ``ports.TrustBundles.examine``."""
        if path_id not in self._sources:
            raise NotFound(f"EST profile {path_id}")
        path = self._sources[path_id]
        if path is None:
            raise TrustRefused(
                "no_bundle",
                problem=f"EST profile {profile_name(path_id)} has no {self._kind.name}",
                remedy=f"set its {self._kind.setting} and start the server again",
            )
        try:
            change = self._read(path_id, path, now_us)
        except BundleRefused as refused:
            self._note_refusal(path_id, refused, now_us)
            raise TrustRefused(
                "bundle", problem=f"{path}: {refused.problem}", remedy=refused.remedy
            ) from refused
        except OSError as err:
            raise TrustRefused(
                "bundle",
                problem=f"{path} cannot be taken over: {self._directory}: {err.strerror}",
                remedy="make room on the disk of the data directory",
            ) from err
        return change

    def publish(self, change: TrustChange) -> None:
        """See ``ports.TrustBundles.publish``."""
        if change.changed:
            accepted_us = _next(self._directory, change.path_id).stat().st_mtime_ns // 1_000
            self._put_in_force(change, accepted_us)
        self._log.info(
            f"{self._kind.event}_reloaded",
            profile=change.path_id,
            path=change.path,
            sha256=change.sha256,
            added=list(change.added),
            removed=list(change.removed),
            anchors=change.count,
        )
        self._on_published()

    def _read(self, path_id: str, path: Path, now_us: int) -> TrustChange:
        """Take the file's octets, once, and judge exactly those."""
        data = read_bundle_file(path)
        fresh = _next(self._directory, path_id)
        fresh.write_bytes(data)
        # The copy's time is the time as of which its anchors were judged.
        os.utime(fresh, ns=(now_us * 1_000, now_us * 1_000))
        try:
            bundle = self._kind.load(fresh, now_us=now_us)
        except BundleRefused as refused:
            fresh.unlink()
            raise BundleRefused(path, refused.problem, refused.remedy) from refused
        sha256 = hashlib.sha256(data).hexdigest()
        present = _present(self._directory, path_id, self._kind)
        change = TrustChange(
            path_id=path_id,
            path=str(path),
            sha256=sha256,
            changed=present is None or present.sha256 != sha256,
            added=only_in(bundle, present.bundle if present else None),
            removed=only_in(present.bundle, bundle) if present else (),
            count=len(bundle.anchors),
        )
        if not change.changed:
            fresh.unlink()
            self._note(path_id, BundleStatus(path=str(path), sha256=sha256, accepted_us=now_us))
        return change

    def _put_in_force(self, change: TrustChange, now_us: int) -> None:
        _next(self._directory, change.path_id).replace(
            accepted_file(self._directory, change.path_id)
        )
        status = BundleStatus(path=change.path, sha256=change.sha256, accepted_us=now_us)
        self._note(change.path_id, status)

    def _note_refusal(self, path_id: str, refused: BundleRefused, now_us: int) -> None:
        self._log.error(
            f"{self._kind.event}_reload_refused",
            profile=path_id,
            path=str(refused.path),
            problem=refused.problem,
            remedy=refused.remedy,
        )
        status = read_status(self._directory, path_id)
        if status is not None:
            why = Refusal(at_us=now_us, problem=refused.problem, remedy=refused.remedy)
            self._note(path_id, msgspec.structs.replace(status, refused=why))

    def _note(self, path_id: str, status: BundleStatus) -> None:
        """For people: a status that cannot be written must not stop a reload."""
        path = status_file(self._directory, path_id)
        fresh = path.with_suffix(".tmp")
        try:
            fresh.write_bytes(msgspec.json.encode(status))
            fresh.replace(path)
        except OSError as err:
            self._log.warning("trust_status_not_written", path=str(path), problem=err.strerror)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A bundle in force and the digest (hexadecimal SHA-256) of its octets."""

    bundle: Bundle
    sha256: str


def load_accepted(directory: Path, path_id: str, kind: Kind = TRUST) -> Accepted:
    """The file in force for a profile: the workers' side.

    Raises:
        BundleRefused: it cannot be read.
    """
    path = accepted_file(directory, path_id)
    data = read_bundle_file(path)
    # Judged as of when it was accepted: an anchor that has expired since must not keep a
    # restarted worker from serving the others (chains to it are refused one by one).
    bundle = kind.load(path, now_us=path.stat().st_mtime_ns // 1_000)
    return Accepted(bundle=bundle, sha256=hashlib.sha256(data).hexdigest())


def accepted_file(directory: Path, path_id: str) -> Path:
    """Where the octets in force for a profile lie."""
    return directory / f"{path_id or _ROOT_LABEL}.pem"


def status_file(directory: Path, path_id: str) -> Path:
    """Where it stands what is known about a profile's bundle."""
    return directory / f"{path_id or _ROOT_LABEL}.json"


def profile_trust(bundle: Bundle | None, *, require_crl: bool = False) -> ProfileTrust:
    """What judges client certificates by a bundle; None: only own certificates count.

    ``require_crl`` is ``MTLS_CRL_POLICY=hard``.
    """
    if bundle is None:
        return ProfileTrust(())
    return ProfileTrust(bundle.ders, crls=bundle.crls, require_crl=require_crl)


def read_status(directory: Path, path_id: str) -> BundleStatus | None:
    """What is known about a profile's bundle; None before the first start."""
    try:
        return msgspec.json.decode(status_file(directory, path_id).read_bytes(), type=BundleStatus)
    except (OSError, msgspec.MsgspecError):
        return None


def forget_accepted(directory: Path) -> None:
    """Begin a run of the server: every bundle must be accepted anew."""
    for path in directory.glob("*") if directory.is_dir() else ():
        path.unlink()


def anchor_text(anchor: Anchor) -> str:
    """``SUBJECT (sha256 FINGERPRINT)``, as events name an anchor."""
    return f"{anchor.subject} (sha256 {hashlib.sha256(anchor.der).hexdigest()})"


def only_in(one: Bundle, other: Bundle | None) -> tuple[str, ...]:
    """Anchors of one bundle that the other does not hold, in words."""
    known = set(other.ders) if other is not None else set()
    return tuple(anchor_text(anchor) for anchor in one.anchors if anchor.der not in known)


def _present(directory: Path, path_id: str, kind: Kind) -> Accepted | None:
    if not accepted_file(directory, path_id).exists():
        return None
    return load_accepted(directory, path_id, kind)


def _next(directory: Path, path_id: str) -> Path:
    return directory / f"{path_id or _ROOT_LABEL}.next"
