"""Private keys in files: PKCS#8, SEC1 or PKCS#1, PEM or DER, with or without passphrase.

A key file that others can read is refused, not repaired: whoever could read it may have
it already. Neither key nor passphrase may ever appear in an error, a log or a repr.
Algorithm identifiers: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, assert_never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from certctl.issuers.atomic_write import write_file
from certctl.wire.der import SEQUENCE, encode, encode_oid

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
"""The private keys a ``FileSigner`` can work with."""

# A PEM of an encrypted RSA 8192 key has 7 KiB: more is no key, and would only eat memory.
MAX_KEY_FILE = 64 * 1024

_RSA_BITS = range(2048, 8192 + 1)

_NULL = b"\x05\x00"


class KeyType(StrEnum):
    """Keys that can be made here, as ``CA_KEY_TYPE`` names them."""

    P256 = "P-256"
    P384 = "P-384"
    RSA2048 = "RSA-2048"
    RSA3072 = "RSA-3072"
    RSA4096 = "RSA-4096"
    ED25519 = "Ed25519"


class KeyFileRefused(Exception):
    """A private key that must not or cannot be used; tells the operator how to mend it."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class FileSigner:
    """A private key in this process's memory, and the one algorithm it signs with.

    P-256 signs with ECDSA and SHA-256, P-384 with SHA-384, RSA with PKCS#1 v1.5 and
    SHA-256, Ed25519 with itself.
    """

    __slots__ = ("_key", "_sign", "algorithm_der", "digest_name", "spki_der")

    def __init__(self, key: PrivateKey) -> None:
        self.algorithm_der = signature_algorithm(key.public_key())
        self._key = key
        self._sign = _signing(key)
        digest = _digest(key)
        self.digest_name = digest.name if digest else None
        self.spki_der = key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes) -> bytes:
        """Signature over ``data``: ECDSA as the DER of (r, s), the others as octets."""
        return self._sign(data)

    def sign_digest(self, digest: bytes) -> bytes:
        """The same for data of that digest; only where there is a ``digest_name``."""
        return _signing(self._key, prehashed=True)(digest)


def make_key(key_type: KeyType) -> PrivateKey:
    """A fresh private key from the operating system's randomness."""
    match key_type:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        case KeyType.RSA4096:
            return rsa.generate_private_key(public_exponent=65537, key_size=4096)
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
    assert_never(key_type)


def load_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Read a private key that only its owner can reach.

    Raises:
        KeyFileRefused: missing, open to others, not to be decrypted with this
            passphrase, encrypted and no passphrase given, or no supported key.
    """
    return open_key(path, read_private(path), passphrase)


def open_key(path: Path, data: bytes, passphrase: bytes | None) -> PrivateKey:
    """The private key in ``data``, the content of ``path``; other PEM blocks do not matter.

    Raises:
        KeyFileRefused: as ``load_key``.
    """
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, passphrase)
    except TypeError as err:
        if passphrase is None:
            raise KeyFileRefused(
                path, "the key is encrypted and no passphrase is set", "set its passphrase file"
            ) from err
        # Going on would let the operator believe that the key on disk is protected.
        raise KeyFileRefused(
            path,
            "a passphrase is set but the key is not encrypted",
            "encrypt it with 'openssl pkcs8 -topk8 -v2 aes-256-cbc', or unset the passphrase",
        ) from err
    except UnsupportedAlgorithm as err:
        raise _unsupported(path) from err
    except ValueError as err:
        if passphrase is not None:
            raise KeyFileRefused(
                path,
                "cannot be decrypted with this passphrase, or is damaged",
                "check the passphrase file, or restore the key from its backup",
            ) from err
        raise KeyFileRefused(
            path, "is not a private key in PEM or DER", "restore the key from its backup"
        ) from err
    return _supported(path, key)


def write_key(
    path: Path, key: PrivateKey, passphrase: bytes | None, *, replace: bool = False
) -> None:
    """Write a key as PKCS#8 PEM, mode 0600 from the first moment, durable on return.

    Raises:
        FileExistsError: there is such a file, and it was not to be replaced.
        OSError: the disk is full, read-only …
    """
    write_file(path, key_pem(key, passphrase), mode=0o600, replace=replace)


def key_pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """PKCS#8 PEM of a key, encrypted unless the passphrase is None."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def read_private(path: Path) -> bytes:
    """The content of a file that only its owner can reach.

    Raises:
        KeyFileRefused: missing, open to others, too long, or not a file.
    """
    try:
        # Not blocking: a FIFO of that name must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # The open file is judged, not its name: nobody can swap one for the other.
            _refuse_exposed(path, os.fstat(descriptor).st_mode)
            data = os.read(descriptor, MAX_KEY_FILE + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as err:
        raise KeyFileRefused(
            path, "there is no such key file", "restore it from its backup, or mend the path"
        ) from err
    except OSError as err:
        raise KeyFileRefused(
            path, f"cannot be read ({err.strerror})", "give it to the user of the server"
        ) from err
    if len(data) > MAX_KEY_FILE:
        raise KeyFileRefused(path, "is too long for a private key", "mend the path")
    return data


def _refuse_exposed(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise KeyFileRefused(path, "is not a regular file", "mend the path")
    if mode & 0o077:
        raise KeyFileRefused(
            path,
            f"others may read or write it (mode {stat.S_IMODE(mode):04o})",
            f"consider the key known; to use it all the same: chmod 600 {path}",
        )


def _supported(path: Path, key: object) -> PrivateKey:
    match key:
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1() | ec.SECP384R1()):
            return key
        case rsa.RSAPrivateKey() if key.key_size in _RSA_BITS:
            return key
        case ed25519.Ed25519PrivateKey():
            return key
        case _:
            raise _unsupported(path)


def _unsupported(path: Path) -> KeyFileRefused:
    return KeyFileRefused(
        path,
        "is not of a supported type",
        "use an EC key on P-256 or P-384, RSA of 2048 to 8192 bits, or Ed25519",
    )


def signature_algorithm(key: object) -> bytes:
    """AlgorithmIdentifier (DER) of what the private half of a public key signs with here.

    Raises:
        TypeError: a kind of key that signs nothing here.
    """
    match key:
        case rsa.RSAPublicKey():
            # RFC 4055 §5: the parameters are NULL and must be there.
            return encode(SEQUENCE, encode_oid("1.2.840.113549.1.1.11"), _NULL)
        # RFC 5758 §3.2: the parameters are left out.
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return encode(SEQUENCE, encode_oid("1.2.840.10045.4.3.3"))
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return encode(SEQUENCE, encode_oid("1.2.840.10045.4.3.2"))
        case ed25519.Ed25519PublicKey():
            return encode(SEQUENCE, encode_oid("1.3.101.112"))
        case _:
            raise TypeError(f"no signature algorithm for {type(key).__name__}")


def _digest(key: PrivateKey) -> SHA256 | SHA384 | None:
    """What a key's algorithm hashes with before it signs; None: it hashes by itself."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return None
        case ec.EllipticCurvePrivateKey(curve=ec.SECP384R1()):
            return SHA384()
        case _:
            return SHA256()


def _signing(key: PrivateKey, *, prehashed: bool = False) -> Callable[[bytes], bytes]:
    digest = _digest(key)
    if digest is None or isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign  # type: ignore[return-value]
    algorithm = Prehashed(digest) if prehashed else digest
    if isinstance(key, rsa.RSAPrivateKey):
        pkcs1 = padding.PKCS1v15()
        return lambda data: key.sign(data, pkcs1, algorithm)
    ecdsa = ec.ECDSA(algorithm)
    return lambda data: key.sign(data, ecdsa)
