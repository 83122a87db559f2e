"""CA keys for the store: made here, sealed with the config key, opened again (issuers §4).

AES-256-GCM (NIST SP 800-38D) over the PKCS#8 of the key. What is authenticated with it is
the row it belongs to: id, version, state and chain. So a sealed key that is put into
another issuer's row, or an older row that is put back in part, does not open.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from certctl.domain.ports import VaultRefused
from certctl.domain.stored_issuers import StoredIssuer
from certctl.issuers.ca_checks import CARefused, check_ca
from certctl.issuers.local_files import ca_usage, make_certificate, signing_digest
from certctl.issuers.signers.file import FileSigner, KeyType, PrivateKey, make_key
from certctl.settings.config_key import config_key_octets

NONCE_OCTETS = 12
_KEY_ID_OCTETS = 8
_FORM = b"\x01"
_HEAD = len(_FORM) + _KEY_ID_OCTETS + NONCE_OCTETS

_DAMAGED = "bring the row back from a backup of the database"


def read_config_key(text: str) -> bytes:
    """The 32 octets of CONFIG_ENCRYPTION_KEY, given in base64 or hexadecimal.

    Raises:
        VaultRefused: they are not.
    """
    try:
        return config_key_octets(text)
    except ValueError as err:
        raise VaultRefused(
            f"CERTCTL_CONFIG_ENCRYPTION_KEY is {err}", "make one: openssl rand -base64 32"
        ) from None


class IssuerVault:
    """``ports.IssuerVault`` with one config key."""

    def __init__(
        self, config_key: bytes, *, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._cipher = AESGCM(config_key)
        self._random = random
        self.digest = hashlib.sha256(b"certctl config key\0" + config_key).digest()
        """Tells config keys apart, and nothing else of them."""

    def make_key(self, key_type: str) -> bytes:
        return _pkcs8(make_key(KeyType(key_type)))

    def root_certificate(
        self, secret: bytes, *, issuer_id: str, common_name: str | None, now_us: int
    ) -> bytes:
        certificate = make_certificate(
            _key(secret), issuer_id, now_us, self._random, common_name=common_name
        )
        return certificate.public_bytes(Encoding.DER)

    def request(self, secret: bytes, *, issuer_id: str, common_name: str | None) -> bytes:
        key = _key(secret)
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, common_name or f"certctl CA {issuer_id}")]
        )
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(ca_usage(), critical=True)
            .sign(key, signing_digest(key))
        )
        return request.public_bytes(Encoding.DER)

    def check_chain(self, secret: bytes, chain: Sequence[bytes], *, now_us: int) -> None:
        try:
            certificates = [x509.load_der_x509_certificate(der) for der in chain]
        except (ValueError, x509.InvalidVersion) as err:
            raise VaultRefused("the chain holds what is no certificate", "send PEM") from err
        if not certificates:
            raise VaultRefused("there is no certificate", "send the CA certificate and its chain")
        spki_der = FileSigner(_key(secret)).spki_der
        try:
            check_ca(Path("chain"), certificates, spki_der=spki_der, now_us=now_us)
        except CARefused as refused:
            raise VaultRefused(refused.problem, refused.remedy) from refused

    def seal(self, row: StoredIssuer, secret: bytes) -> bytes:
        nonce = self._random(NONCE_OCTETS)
        head = _FORM + self.digest[:_KEY_ID_OCTETS]
        return head + nonce + self._cipher.encrypt(nonce, secret, _bound(row, head))

    def open(self, row: StoredIssuer, sealed: bytes) -> bytes:
        head, nonce = sealed[: _HEAD - NONCE_OCTETS], sealed[_HEAD - NONCE_OCTETS : _HEAD]
        if len(sealed) <= _HEAD or not head.startswith(_FORM):
            raise VaultRefused("its sealed key is damaged", _DAMAGED)
        if head[len(_FORM) :] != self.digest[:_KEY_ID_OCTETS]:
            raise VaultRefused(
                f"its key was sealed with another config key ({head[len(_FORM) :].hex()})",
                "set the CERTCTL_CONFIG_ENCRYPTION_KEY that it was made with",
            )
        try:
            return self._cipher.decrypt(nonce, sealed[_HEAD:], _bound(row, head))
        except InvalidTag as err:
            raise VaultRefused(
                "its sealed key does not belong to its row: one of them was changed or comes"
                " from another issuer",
                _DAMAGED,
            ) from err


def open_key(secret: bytes) -> PrivateKey:
    """The key of a PKCS#8 (DER) that was made here."""
    return _key(secret)


def _bound(row: StoredIssuer, head: bytes) -> bytes:
    """What of a row the sealed key witnesses; names cannot run into each other."""
    parts = [
        b"certctl issuer",
        head,
        row.id.encode(),
        str(row.version).encode(),
        row.type.encode(),
        row.state.value.encode(),
        row.key_type.encode(),
        str(row.validity_s).encode(),
        hashlib.sha256(b"".join(row.chain)).digest(),
        hashlib.sha256(row.csr_der).digest(),
    ]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def _pkcs8(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _key(secret: bytes) -> PrivateKey:
    return load_der_private_key(secret, None)  # type: ignore[return-value]  # made above
