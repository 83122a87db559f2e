"""``restore``: a backup becomes the data directory of a server that has none.

All of it is unpacked and judged in a folder inside the data directory first; only what is
whole is moved to its place, the database last. A server refuses to start as long as that
folder is there, so a restore that was killed is never mistaken for a fresh installation.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.audit import Chain
from certctl.authority.backup import restored_event
from certctl.authority.verify import Broken
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import CrlRecord, crl_scope
from certctl.domain.ports import Transaction
from certctl.domain.stored_issuers import StoredIssuer
from certctl.issuers.atomic_write import sync_directory
from certctl.issuers.ca_checks import CARefused, read_chain
from certctl.issuers.local_files import check_known
from certctl.issuers.signers.file import KeyFileRefused, load_key
from certctl.settings.schema import Settings
from certctl.settings.secret import SecretUnreadable
from certctl.store import StoreError, open_records, open_writable
from certctl.store.files import database_path
from certctl.store.snapshot import contents, require_whole
from certctl.wiring import audit_trail
from certctl.wiring.audit_key import PUBLIC_FILE, read_public_keys
from certctl.wiring.backup import SQLITE, Stage
from certctl.wiring.backup_file import (
    DATABASE,
    FILES,
    BackupDamaged,
    Manifest,
    Part,
    read_backup,
)
from certctl.wiring.ids import new_ids
from certctl.wiring.store import UNFINISHED_RESTORE

# A disk of its own has this in it from the beginning.
_NOT_OURS = frozenset({"lost+found"})


class RestoreRefused(Exception):
    """Nothing was restored; the text says why."""


_NAMED = (
    BackupDamaged,
    Broken,
    CARefused,
    KeyFileRefused,
    SecretUnreadable,
    StoreError,
    ValueError,
)
"""What is wrong with a backup, in words that an operator can use."""


def restore(
    settings: Settings, source: IO[bytes], *, actor: str, clock: Clock, stage: Stage
) -> Manifest:
    """Put a backup in place. When it fails, the data directory is as empty as before.

    Raises:
        RestoreRefused: something is there already, or the backup is not whole or not one
            of a certctl of this version or before.
        OSError: the disk is full or so.
    """
    data = settings.server.data_dir
    made = not data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = data / UNFINISHED_RESTORE
    moved: list[Path] = []
    ours = False
    try:
        database = _database_place(settings)
        _require_empty(data, database)
        place.mkdir(mode=0o700)
        ours = True
        sync_directory(data)
        manifest = _unpack(source, place, stage)
        if any(part.name == DATABASE for part in manifest.parts):
            _require_sqlite(database)
            _judge(settings, place, manifest, stage)
            _continue_chain(place, manifest, actor=actor, clock=clock)
            issuers = [issuer.id for issuer in settings.issuers]
            _skip_crl_numbers(place, manifest, issuers, now_us=clock())
        _own(place, data)
        _move(place, data, database, manifest, moved)
    except BaseException as err:
        if ours:
            _put_back(data, place, moved)
        if made and not any(data.iterdir()):
            data.rmdir()
        if isinstance(err, _NAMED):
            raise RestoreRefused(str(err)) from err
        raise
    shutil.rmtree(place)
    sync_directory(data)
    return manifest


def _database_place(settings: Settings) -> Path | None:
    url = settings.server.database_url
    return database_path(url) if url.startswith(SQLITE) else None


def _require_empty(data: Path, database: Path | None) -> None:
    found = sorted(each.name for each in data.iterdir() if each.name not in _NOT_OURS)
    if UNFINISHED_RESTORE in found:
        raise RestoreRefused(
            f"{data / UNFINISHED_RESTORE} is there: another restore runs, or was cut short;"
            f" if none runs, empty {data} and restore again"
        )
    if found:
        raise RestoreRefused(
            f"{data} is not empty ({', '.join(found[:3])}{' …' if len(found) > 3 else ''});"
            " a restore never mixes with what is there: set CERTCTL_DATA_DIR to an empty"
            " folder, or move its contents away"
        )
    if database is not None and database.exists():
        raise RestoreRefused(f"there is a database at {database} already; move it away")


def _require_sqlite(database: Path | None) -> None:
    if database is None:
        raise RestoreRefused(
            "the backup holds an SQLite database, and CERTCTL_DATABASE_URL names another"
        )


def _unpack(source: IO[bytes], place: Path, stage: Stage) -> Manifest:
    def path_of(part: Part) -> Path:
        path = place / part.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    return read_backup(source, path_of, lambda done, of: stage("reading", done, of))


def _judge(settings: Settings, place: Path, manifest: Manifest, stage: Stage) -> None:
    """Everything that a server would find out at its start, and what it would not."""
    database = place / DATABASE
    stage("checking the database", 0, 1)
    require_whole(database)
    found = contents(database)
    if {issuer: each.hex() for issuer, each in found.ca.items()} != manifest.ca:
        raise BackupDamaged("its manifest and its database name different CAs")
    # Migrates a copy of an older version; a newer one is refused.
    open_writable(_url(database), node=found.node).close()
    keys = read_public_keys(place / FILES / PUBLIC_FILE)
    total = sum(head.seq for head in found.heads)
    records = open_records(_url(database))
    try:
        stored = {row.id: row for row in records.stored_issuers() if row.chain}
        for issuer, fingerprint in found.ca.items():
            if issuer in stored:
                _judge_stored(stored[issuer], fingerprint)
            else:
                _judge_ca(settings, place / FILES, issuer, fingerprint)
        audit_trail.verify_store(
            records, keys=keys, told=lambda events: audit_trail.told_to(stage, events, total)
        )
    finally:
        records.close()


def _judge_stored(row: StoredIssuer, fingerprint: bytes) -> None:
    """An issuer of the store: its key is sealed in the database, and opened at the start."""
    if hashlib.sha256(row.chain[0]).digest() != fingerprint:
        raise BackupDamaged(f"its row of the issuer {row.id} holds another CA than the one bound")


def _judge_ca(settings: Settings, files: Path, issuer_id: str, fingerprint: bytes) -> None:
    """The CA certificate on record, and the key that belongs to it."""
    issuer = next((each for each in settings.issuers if each.id == issuer_id), None)
    certificate = files / f"ca-{issuer_id}.pem"
    if not certificate.exists():
        # A CA of files elsewhere: the start looks at them again.
        outside = issuer.ca_cert_path if issuer else None
        if outside is None:
            raise BackupDamaged(f"it holds no certificate of the CA {issuer_id}")
        if outside.exists():
            check_known(outside, _der(read_chain(outside)[0]), fingerprint)
        return
    ca = read_chain(certificate)[0]
    check_known(certificate, _der(ca), fingerprint)
    source = issuer.ca_key_passphrase if issuer else None
    passphrase = source.read().reveal().encode() if source is not None else None
    key = load_key(files / f"ca-{issuer_id}.key", passphrase).public_key()
    if _spki(key) != _spki(ca.public_key()):
        raise BackupDamaged(f"the key of the CA {issuer_id} does not belong to its certificate")


def _continue_chain(place: Path, manifest: Manifest, *, actor: str, clock: Clock) -> None:
    """The first event after the backup says that there is a gap, and where."""
    store = open_writable(_url(place / DATABASE), node=manifest.node)
    details: dict[str, str | int | list[str]] = {
        "backup_made_us": manifest.made_us,
        "chains": [f"{head.node}/{head.seq}" for head in manifest.heads],
        "checkpoint": manifest.checkpoint[0] if manifest.checkpoint else 0,
    }
    try:
        with store.transaction() as transaction:
            chain = Chain(store.node, transaction.last_event(store.node))
            event = restored_event(actor, details, now_us=clock())
            transaction.append_events(chain.extend([event], new_ids(clock)))
    finally:
        store.close()
    (place / f"{DATABASE}.lock").unlink(missing_ok=True)


def _skip_crl_numbers(
    place: Path, manifest: Manifest, issuers: Iterable[str], *, now_us: int
) -> None:
    """No CRL that was published after the backup may share its number with a later one.

    Between two runs that make CRLs lies a second at least, and each makes a full and a
    delta CRL at most, so twice as many numbers are left out as seconds have passed, and the
    same of each partition, whose numbers are its own. What is on record keeps its octets
    until the next CRL, due at once because nothing was made from the stamp it has now.
    """
    passed = max(1, (now_us - manifest.made_us) // SECOND_US + 1)
    store = open_writable(_url(place / DATABASE), node=manifest.node)
    try:
        with store.transaction() as transaction:
            for issuer_id in issuers:
                crl = transaction.crl(issuer_id)
                if crl is None:
                    continue
                delta = transaction.crl(crl_scope(issuer_id, delta=True))
                highest = max(crl.number, delta.number if delta else 0)
                _renumber(transaction, crl, highest + 2 * passed)
                for row in transaction.crl_partitions():
                    crl = transaction.crl(crl_scope(issuer_id, partition=row.number))
                    if crl is not None:
                        _renumber(transaction, crl, crl.number + 2 * passed)
    finally:
        store.close()
    (place / f"{DATABASE}.lock").unlink(missing_ok=True)


def _renumber(transaction: Transaction, crl: CrlRecord, number: int) -> None:
    for part, octets in enumerate(transaction.crl_parts(crl.scope, crl.number, crl.parts)):
        transaction.put_crl_part(crl.scope, number, part, octets)
    transaction.publish_crl(replace(crl, number=number, stamp=""))


def _own(place: Path, data: Path) -> None:
    """Root restores for the server's user: whose the data directory is."""
    owner = data.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for folder, folders, names in os.walk(place):
        for name in (*folders, *names):
            os.chown(Path(folder, name), owner.st_uid, owner.st_gid, follow_symlinks=False)


def _move(
    place: Path, data: Path, database: Path | None, manifest: Manifest, moved: list[Path]
) -> None:
    """To their places, the database last: a server starts only with all of them."""
    names = sorted((part.name for part in manifest.parts), key=lambda name: name == DATABASE)
    for name in names:
        target = database if name == DATABASE else data / name.removeprefix(FILES)
        if target is None:
            continue
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700, parents=True)
        moved.append(target)
        _rename(place / name, target)
        sync_directory(target.parent)


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as err:
        if err.errno != errno.EXDEV:
            raise
        # A database on a disk of its own.
        unfinished = target.with_name(f".{target.name}.restore")
        try:
            shutil.copy2(source, unfinished)
            shutil.chown(unfinished, source.stat().st_uid, source.stat().st_gid)
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _put_back(data: Path, place: Path, moved: list[Path]) -> None:
    for path in reversed(moved):
        path.unlink(missing_ok=True)
        folder = path.parent
        while data in folder.parents and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
    shutil.rmtree(place, ignore_errors=True)


def _url(database: Path) -> str:
    return SQLITE + quote(str(database))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
