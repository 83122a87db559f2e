"""The key that seals the audit trail: Ed25519, in a file of its own, made at first start.

It signs nothing but checkpoints. ``audit.pub`` beside it holds the public keys that ever
sealed here, for the auditor to take away; a key that was lost is replaced by a new one,
whose public half is added, and the change is an event on record.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from certctl.issuers.atomic_write import write_file
from certctl.issuers.signers.file import KeyFileRefused, KeyType, load_key, make_key, write_key

KEY_FILE = "audit.key"
PUBLIC_FILE = "audit.pub"

_END = b"-----END PUBLIC KEY-----"


class AuditKey:
    """Implements ``authority.seal.AuditSigner``."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def open_audit_key(directory: Path) -> AuditKey:
    """Load the key, or make it where there is none.

    Raises:
        KeyFileRefused: others can read it, or it is no Ed25519 key.
        OSError: it cannot be written.
    """
    path = directory / KEY_FILE
    if not path.exists():
        write_key(path, make_key(KeyType.ED25519), None)
    key = load_key(path, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileRefused(path, "is not an Ed25519 key", "restore it from its backup")
    opened = AuditKey(key)
    _publish(directory / PUBLIC_FILE, opened)
    return opened


def read_public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    """Public keys (PEM, one or more) by key id.

    Raises:
        ValueError: something in it is no Ed25519 public key, or it is empty.
        OSError: it cannot be read.
    """
    keys = {}
    for block in path.read_bytes().split(_END)[:-1]:
        key = load_pem_public_key(block[block.index(b"-----BEGIN") :] + _END + b"\n")
        if not isinstance(key, Ed25519PublicKey):
            # A fault of the file's contents, like the others of this function.
            raise ValueError(f"{path} holds a key that is not Ed25519")  # noqa: TRY004
        keys[key_id(key)] = key
    if not keys:
        raise ValueError(f"{path} holds no public key")
    return keys


def key_id(key: Ed25519PublicKey) -> str:
    """See ``domain.checkpoint.Checkpoint.key_id``."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()[:16]


def _publish(path: Path, key: AuditKey) -> None:
    known = path.read_bytes() if path.exists() else b""
    if key.public_pem() not in known:
        write_file(path, known + key.public_pem(), mode=0o600, replace=True)
