"""Why a store cannot be opened or used as asked. Each class carries data, not prose.

::

    StoreError
    ├── StoreInUse        another server holds the lock of this file
    ├── NodeInUse         another server holds the lock of this node's name
    ├── StoreExposed      the file may be read or written by everybody
    ├── StoreCorrupt      not a database, damaged, or not one of ours
    ├── StoreUnopenable   folder missing, no permission, URL not understood
    │   └── StoreAway     PostgreSQL does not answer now, and may soon
    ├── StoreNotDurable   a commit would not be on disk
    ├── SchemaTooNew      a newer certctl has migrated it: downgrades are refused
    ├── SchemaOutdated    a reader met a store that nobody has migrated yet
    ├── CaMismatch        another CA certificate is bound to this issuer id
    ├── PepperMismatch    the API keys on record were made with another pepper
    ├── ConfigKeyMismatch the issuers of the store were sealed with another config key
    └── CommandRefused    a row breaks a rule of the tables, or so: a fault of ours

These are met by whoever starts the program. While it runs, a store that is away is
``domain.errors.StoreUnavailable`` and a doubled key is ``domain.ports.DuplicateKey``.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of the errors of this package."""


class StoreInUse(StoreError):
    """Another process holds the store's lock; ``pid`` is what it wrote there, or None."""

    def __init__(self, path: str, *, pid: int | None) -> None:
        super().__init__(f"{path} is in use by another server (process {pid or 'unknown'})")
        self.path = path
        self.pid = pid


class NodeInUse(StoreError):
    """Another server writes as ``node`` to the same PostgreSQL database."""

    def __init__(self, place: str, *, node: str) -> None:
        super().__init__(
            f"{place}: another server works as {node}. Each server needs a data directory of its"
            " own; the file `node` in it must not be copied"
        )
        self.place = place
        self.node = node


class StoreExposed(StoreError):
    """Users outside owner and group can reach the file; ``mode`` is its permission bits."""

    def __init__(self, path: str, *, mode: int) -> None:
        super().__init__(f"{path} has mode {mode:04o}; take the rights of others away: chmod 0600")
        self.path = path
        self.mode = mode


class StoreCorrupt(StoreError):
    """The file is not a database of ours, or is damaged; ``note`` is the finding."""

    def __init__(self, path: str, *, note: str) -> None:
        super().__init__(f"{path} cannot be used: {note}; restore it from a backup")
        self.path = path
        self.note = note


class StoreUnopenable(StoreError):
    """The file cannot be opened at all; ``note`` says what stood in the way."""

    def __init__(self, path: str, *, note: str) -> None:
        super().__init__(f"{path} cannot be opened: {note}")
        self.path = path
        self.note = note


class StoreAway(StoreUnopenable):
    """PostgreSQL is starting, recovering, stopping, full of connections or not reached."""


class StoreNotDurable(StoreError):
    """PostgreSQL is set up so that a commit may be lost; ``setting`` is what is off."""

    def __init__(self, place: str, *, setting: str) -> None:
        super().__init__(
            f"{place} has {setting} = off, so a certificate could leave before its record is on"
            f" disk: set {setting} = on for this database"
        )
        self.place = place
        self.setting = setting


class SchemaTooNew(StoreError):
    """``found`` is a schema revision that this version does not know."""

    def __init__(self, path: str, *, found: str, known: str) -> None:
        super().__init__(f"{path} has schema {found}, newer than {known}: start the newer certctl")
        self.path = path
        self.found = found
        self.known = known


class SchemaOutdated(StoreError):
    """``found`` is older than the schema ``wanted``, and a reader never migrates."""

    def __init__(self, path: str, *, found: str, wanted: str) -> None:
        super().__init__(
            f"{path} has schema {found or 'none'}, {wanted} is needed: run certctl-server migrate"
        )
        self.path = path
        self.found = found
        self.wanted = wanted


class CaMismatch(StoreError):
    """The store belongs to another CA of this issuer id: never start a second one.

    ``recorded`` and ``presented`` are SHA-256 fingerprints of CA certificates.
    """

    def __init__(self, issuer_id: str, *, recorded: bytes, presented: bytes) -> None:
        super().__init__(
            f"issuer {issuer_id}: the store knows the CA {recorded.hex()}, "
            f"the files hold {presented.hex()}"
        )
        self.issuer_id = issuer_id
        self.recorded = recorded
        self.presented = presented


class PepperMismatch(StoreError):
    """No API key on record could be known with the pepper at hand."""

    def __init__(self) -> None:
        super().__init__(
            "the API keys on record belong to another pepper: bring api.pepper back into"
            " DATA_DIR from its backup or from the other node"
        )


class ConfigKeyMismatch(StoreError):
    """No issuer of the store could be opened with the config key at hand."""

    def __init__(self) -> None:
        super().__init__(
            "the store belongs to another CERTCTL_CONFIG_ENCRYPTION_KEY: set the one that its"
            " issuers were made with, the same on every node"
        )


class CommandRefused(StoreError):
    """The database refused a command: a check, a reference, the append-only rule, or the
    statement itself; ``note`` is its word. Nothing of the transaction is kept.
    """

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note
