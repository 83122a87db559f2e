"""The local CA: fulfils orders with its own key (issuers §2, policy §3).

It certifies what the order says and nothing more; it never signs a CA certificate and
never signs outside its own validity. What it returns is not on record yet and must not
leave before it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import CrlRefused, IssuerUnavailable, PolicyViolation
from certctl.domain.order import Order
from certctl.domain.ports import SignedCertificate, Terms
from certctl.domain.stored_issuers import Trial
from certctl.issuers import local_files
from certctl.issuers.ca_checks import check_ca, read_chain
from certctl.issuers.crl_checks import may_sign_crls
from certctl.issuers.crl_draft import TbsDraft
from certctl.issuers.published import crl_issuer
from certctl.issuers.signers.file import FileSigner, KeyType, load_key
from certctl.issuers.signers.port import Signer
from certctl.issuers.trial import try_signer
from certctl.wire.certificate import (
    EMPTY_NAME,
    SERIAL_RANDOM_OCTETS,
    CertificateTemplate,
    encode_serial,
    key_identifier,
)
from certctl.wire.pointers import NO_POINTERS, Pointers

LEAF_LIFETIME_US = 90 * DAY_US
"""What a certificate gets where neither issuer nor certificate profile says more."""

# A CA outside its validity comes back only with a clock set right or a rollover.
_RETRY_AFTER = 60

_MAX_COMMON_NAME = 64


class LocalCA:
    """An ``Issuer`` whose key signs in this process; safe to use from several threads."""

    __slots__ = (
        "_chain",
        "_lifetime_us",
        "_may_sign_crls",
        "_not_after_us",
        "_not_before_us",
        "_random",
        "_signer",
        "_templates",
        "crl_issuer",
        "issuer_id",
    )

    def __init__(
        self,
        *,
        issuer_id: str,
        signer: Signer,
        chain: Sequence[bytes],
        lifetime_us: int = LEAF_LIFETIME_US,
        pointers: Pointers = NO_POINTERS,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Use a checked CA; ``open`` and ``from_files`` do the checking.

        Args:
            issuer_id: as profiles name it.
            signer: the key of the first certificate of ``chain``.
            chain: DER from the issuing CA up to its root.
            lifetime_us: of certificates whose order leaves it to the issuer.
            pointers: CDP and AIA of its certificates; with partitions, each serial number
                decides for one of them.
            random: that many unpredictable octets, for serial numbers.
        """
        certificate = x509.load_der_x509_certificate(chain[0])
        self.issuer_id = issuer_id
        self._signer = signer
        self._chain = tuple(chain)
        self._lifetime_us = lifetime_us
        self._random = random
        self._not_before_us = int(certificate.not_valid_before_utc.timestamp()) * SECOND_US
        self._not_after_us = int(certificate.not_valid_after_utc.timestamp()) * SECOND_US
        self._may_sign_crls = may_sign_crls(certificate)
        self.crl_issuer = crl_issuer(certificate, algorithm_der=signer.algorithm_der)
        # Of each partition; without, the one that there is.
        self._templates = [
            (
                partition,
                CertificateTemplate.of_issuer(
                    algorithm_der=self.crl_issuer.algorithm_der,
                    issuer_der=self.crl_issuer.issuer_der,
                    key_identifier=self.crl_issuer.key_identifier,
                    pointers=each,
                ),
            )
            for partition, each in _by_partition(pointers, with_crl=self._may_sign_crls)
        ]

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        issuer_id: str,
        key_type: KeyType,
        passphrase: bytes | None,
        now_us: int,
        known_fingerprint: bytes | None,
        lifetime_us: int = LEAF_LIFETIME_US,
        pointers: Pointers = NO_POINTERS,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> LocalCA:
        """The CA of ``ca-<issuer_id>.key`` and ``.pem`` in ``directory``, made if new.

        Args:
            directory: exists and belongs to the server alone.
            issuer_id: ASCII letters, digits, ``-``, ``_`` and ``.``.
            key_type: of a key to be made; a key found is used as it is.
            passphrase: of the key file, or None for an unencrypted one.
            now_us: microseconds since the epoch.
            known_fingerprint: SHA-256 of the CA certificate on record, or None where no
                CA of this id was ever recorded; only then may one be made.
            lifetime_us: of certificates whose order leaves it to the issuer.
            pointers: CDP and AIA of its certificates.
            random: that many unpredictable octets, for serial numbers.

        Raises:
            CARefused: a file lost, other than on record, not matching, expired …
            KeyFileRefused: the key file is open to others, cannot be decrypted …
            ValueError: the issuer id cannot name a file.
        """
        signer, chain = local_files.open_files(
            directory,
            issuer_id=issuer_id,
            key_type=key_type,
            passphrase=passphrase,
            now_us=now_us,
            known_fingerprint=known_fingerprint,
            random=random,
        )
        return cls(
            issuer_id=issuer_id,
            signer=signer,
            chain=chain,
            lifetime_us=lifetime_us,
            pointers=pointers,
            random=random,
        )

    @classmethod
    def from_files(
        cls,
        certificate_path: Path,
        key_path: Path,
        *,
        issuer_id: str,
        passphrase: bytes | None,
        now_us: int,
        known_fingerprint: bytes | None = None,
        lifetime_us: int = LEAF_LIFETIME_US,
        pointers: Pointers = NO_POINTERS,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> LocalCA:
        """Sub-CA mode: a CA certificate with its chain (PEM, CA first) and its key.

        Raises:
            CARefused: chain, key, CA flag, keyCertSign, validity or path length is wrong.
            KeyFileRefused: the key file cannot or must not be used.
        """
        signer = FileSigner(load_key(key_path, passphrase))
        chain = read_chain(certificate_path)
        check_ca(certificate_path, chain, spki_der=signer.spki_der, now_us=now_us)
        ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
        local_files.check_known(certificate_path, ders[0], known_fingerprint)
        return cls(
            issuer_id=issuer_id,
            signer=signer,
            chain=ders,
            lifetime_us=lifetime_us,
            pointers=pointers,
            random=random,
        )

    def ca_chain(self) -> tuple[bytes, ...]:
        """DER certificates from the issuing CA up to its root."""
        return self._chain

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:
        """Build and sign the certificate of an order (policy §3).

        notBefore is never before the CA's own, and notAfter never after it.

        Raises:
            IssuerUnavailable: the CA itself is not valid now.
            PolicyViolation: neither a subject nor a SAN: nothing would be certified.
            DerError: the order's public key is no SubjectPublicKeyInfo.
        """
        if order.subject_der == EMPTY_NAME and not order.san_der:
            raise PolicyViolation("subject", wanted="a subject or a SAN", got="neither")
        lifetime_us = terms.lifetime_us or self._lifetime_us
        return self._issue(
            subject_der=order.subject_der,
            spki_der=order.spki_der,
            san_der=order.san_der,
            key_agreement=order.key_agreement,
            ekus=terms.ekus,
            now_us=now_us,
            not_before_us=now_us - terms.backdate_us,
            not_after_us=now_us + lifetime_us - lifetime_us * terms.shortened_ppm // 1_000_000,
            must_staple=terms.must_staple,
        )

    def issue_server_certificate(
        self, names: Sequence[str], spki_der: bytes, *, now_us: int, days: int = 90
    ) -> SignedCertificate:
        """A certificate for this server's own listener (config §1); to be recorded, too.

        Args:
            names: DNS names (ASCII) and IP addresses clients reach the server by; the
                first one also becomes the common name, for people.
            spki_der: SubjectPublicKeyInfo (DER) of the listener's key.
            now_us: microseconds since the epoch.
            days: of validity.

        Raises:
            IssuerUnavailable: the CA itself is not valid now.
            ValueError: no name, or one that is neither a DNS name nor an address.
        """
        if not names or not all(names):
            raise ValueError("a server certificate needs a name")
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(
            subject_der=_common_name(names[0]),
            spki_der=spki_der,
            san_der=alternatives.public_bytes(),
            key_agreement=False,
            ekus=(ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,),
            now_us=now_us,
            # As far back as the CA: clients with a late clock must still get through.
            not_before_us=now_us - DAY_US,
            not_after_us=now_us + days * DAY_US,
        )

    def issue_responder_certificate(
        self, spki_der: bytes, *, now_us: int, validity_us: int
    ) -> SignedCertificate:
        """A certificate by which ``spki_der`` (DER) answers OCSP for this CA; see the port.

        Raises:
            IssuerUnavailable: the CA itself is not valid now.
            DerError: no SubjectPublicKeyInfo.
        """
        return self._issue(
            # Names the key, too: after a rotation two responders are valid side by side.
            subject_der=_common_name(f"OCSP responder {key_identifier(spki_der)[:8].hex()}"),
            spki_der=spki_der,
            san_der=b"",
            key_agreement=False,
            ekus=(ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string,),
            now_us=now_us,
            not_before_us=now_us - DAY_US,
            not_after_us=now_us + validity_us,
            status_signer=True,
        )

    def begin_crl(self) -> TbsDraft:
        """A CRL to be read and signed; see the port ``CanSignCRL``.

        Raises:
            CrlRefused: this CA's key may not sign CRLs.
        """
        if not self._may_sign_crls:
            raise CrlRefused("usage", wanted="a CA certificate with cRLSign", got="none")
        return TbsDraft(self.crl_issuer, self._signer, self._check_validity)

    @property
    def may_sign_crls(self) -> bool:
        """Whether the CA certificate allows it; without, this CA has no CRL."""
        return self._may_sign_crls

    def trial(self, *, now_us: int) -> Trial:
        """See ``ports.CanTry``: the key signs, and the certificate is of that key."""
        return try_signer(self._signer, self._chain, now_us=now_us, random=self._random)

    def _check_validity(self, now_us: int) -> None:
        if not self._not_before_us <= now_us <= self._not_after_us:
            raise IssuerUnavailable(f"issuer {self.issuer_id}", retry_after=_RETRY_AFTER)

    def _issue(
        self,
        *,
        subject_der: bytes,
        spki_der: bytes,
        san_der: bytes,
        key_agreement: bool,
        ekus: Sequence[str],
        now_us: int,
        not_before_us: int,
        not_after_us: int,
        status_signer: bool = False,
        must_staple: bool = False,
    ) -> SignedCertificate:
        self._check_validity(now_us)
        not_before = max(not_before_us, self._not_before_us) // SECOND_US
        not_after = min(not_after_us, self._not_after_us) // SECOND_US
        serial = encode_serial(now_us // SECOND_US, self._random(SERIAL_RANDOM_OCTETS))
        # Its last octets are chance: nobody can choose the partition of his certificate.
        place = int.from_bytes(serial[-4:], "big") % len(self._templates)
        partition, template = self._templates[place]
        to_be_signed = template.to_be_signed(
            serial=serial,
            not_before=not_before,
            not_after=not_after,
            subject_der=subject_der,
            spki_der=spki_der,
            san_der=san_der,
            key_agreement=key_agreement,
            ekus=ekus,
            status_signer=status_signer,
            must_staple=must_staple,
        )
        return SignedCertificate(
            der=template.seal(to_be_signed, self._signer.sign(to_be_signed)),
            serial=serial.hex(),
            not_before_us=not_before * SECOND_US,
            not_after_us=not_after * SECOND_US,
            # Who answers for the status names no CRL.
            crl_partition=None if status_signer else partition,
        )


def _by_partition(pointers: Pointers, *, with_crl: bool) -> list[tuple[int | None, Pointers]]:
    """What certificates point to, by partition; a CA that signs no CRLs has none."""
    if not pointers.partition_urls or not with_crl:
        return [(None, pointers)]
    return [
        (number, replace(pointers, crl_url=url, freshest_url=None, partition_urls=()))
        for number, url in pointers.partition_urls
    ]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _common_name(name: str) -> bytes:
    if len(name) > _MAX_COMMON_NAME:
        return EMPTY_NAME
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]).public_bytes()
