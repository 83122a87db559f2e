"""The delegated OCSP responder of a CA: its own key, its certificate, and when both end.

RFC 6960 §4.2.2.2. Key and certificate stand in one file (0600), so that a reader never
meets one without the other. The key is worth little: it is replaced often, and a lost one
is made anew. A certificate made here is not on record yet; it must be before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.domain.clock import SECOND_US
from certctl.domain.ports import CanIssueResponder, SignedCertificate
from certctl.issuers.atomic_write import write_file
from certctl.issuers.local_files import check_issuer_id
from certctl.issuers.signers.file import (
    FileSigner,
    KeyFileRefused,
    KeyType,
    PrivateKey,
    key_pem,
    make_key,
    open_key,
    read_private,
)
from certctl.wire.ocsp_response import responder_name

_MAKE_ANEW = "delete it: a new responder is made in its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """A key that may answer OCSP, and the certificate that says so.

    Attributes:
        certificate_der: goes along with every answer.
        name: ResponderID of its answers (SHA-1 of the public key).
        not_before_us: microseconds since the epoch, as ``not_after_us``.
    """

    signer: FileSigner
    certificate_der: bytes
    name: bytes
    not_before_us: int
    not_after_us: int
    _key: PrivateKey = field(repr=False)

    @classmethod
    def make(
        cls,
        issuer: CanIssueResponder,
        *,
        key_type: KeyType = KeyType.P256,
        now_us: int,
        validity_us: int,
    ) -> tuple[Responder, SignedCertificate]:
        """A new key with a new certificate, in memory only; the latter is to be recorded.

        Raises:
            IssuerUnavailable: the CA cannot sign now.
        """
        key = make_key(key_type)
        spki_der = FileSigner(key).spki_der
        signed = issuer.issue_responder_certificate(
            spki_der, now_us=now_us, validity_us=validity_us
        )
        return cls._of(key, x509.load_der_x509_certificate(signed.der)), signed

    @classmethod
    def load(
        cls, directory: Path, *, issuer_id: str, ca_der: bytes, passphrase: bytes | None
    ) -> Responder | None:
        """The responder in ``directory``; None where there is no file. It may have expired.

        Args:
            directory: where ``write`` put it.
            issuer_id: names the file.
            ca_der: certificate of the CA it must belong to.
            passphrase: of its key, or None for an unencrypted one.

        Raises:
            KeyFileRefused: open to others, damaged, or not a responder of this CA.
        """
        path = _path(directory, issuer_id)
        if not path.exists():
            return None
        data = read_private(path)
        key = open_key(path, data, passphrase)
        try:
            certificate = x509.load_pem_x509_certificate(data)
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(ca_der))
            usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as err:
            raise KeyFileRefused(path, "holds no certificate of this CA", _MAKE_ANEW) from err
        except x509.ExtensionNotFound as err:
            raise KeyFileRefused(path, "may not sign OCSP answers", _MAKE_ANEW) from err
        if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
            raise KeyFileRefused(path, "may not sign OCSP answers", _MAKE_ANEW)
        if certificate.public_key() != key.public_key():
            raise KeyFileRefused(path, "key and certificate do not belong together", _MAKE_ANEW)
        return cls._of(key, certificate)

    def write(self, directory: Path, *, issuer_id: str, passphrase: bytes | None) -> Path:
        """Put key and certificate into one file (PEM, 0600), in place of the one before.

        Raises:
            OSError: the disk is full, read-only …; the file before is untouched.
        """
        path = _path(directory, issuer_id)
        certificate = x509.load_der_x509_certificate(self.certificate_der)
        pem = key_pem(self._key, passphrase) + certificate.public_bytes(Encoding.PEM)
        write_file(path, pem, mode=0o600, replace=True)
        return path

    @staticmethod
    def remove(directory: Path, *, issuer_id: str) -> None:
        """Delete the file of an issuer that is no more, if there is one."""
        _path(directory, issuer_id).unlink(missing_ok=True)

    def is_due(self, *, now_us: int, grace_us: int) -> bool:
        """Whether the next one should be made: less than ``grace_us`` is left of this.

        At least half of its life is always used, else a long grace, or a CA close to its
        end, would have a new one made at every look.
        """
        grace_us = min(grace_us, (self.not_after_us - self.not_before_us) // 2)
        return not self.not_before_us <= now_us < self.not_after_us - grace_us

    @classmethod
    def _of(cls, key: PrivateKey, certificate: x509.Certificate) -> Responder:
        signer = FileSigner(key)
        return cls(
            signer=signer,
            certificate_der=certificate.public_bytes(Encoding.DER),
            name=responder_name(signer.spki_der),
            not_before_us=int(certificate.not_valid_before_utc.timestamp()) * SECOND_US,
            not_after_us=int(certificate.not_valid_after_utc.timestamp()) * SECOND_US,
            _key=key,
        )


def _path(directory: Path, issuer_id: str) -> Path:
    check_issuer_id(issuer_id)
    return directory / f"ocsp-{issuer_id}.pem"
