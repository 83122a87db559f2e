"""Who judges client certificates, and the bundles they are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from certctl.domain.certificates import (
    CertificateKey,
)
from certctl.domain.principal import Credential
from certctl.domain.trust_change import TrustChange


class ClientTrust(Protocol):
    """Judges client certificates for one profile against its own anchors."""

    def verify(self, chain: Sequence[bytes], now_us: int) -> Credential:
        """Path validation of a presented chain (DER, leaf first) and the checks of EKU,
        KeyUsage and CA flag.

        Raises:
            CertificateRefused: untrusted, expired, not_yet_valid, revoked, no_crl,
                wrong_usage.
        """
        ...

    def identify(self, leaf: bytes) -> CertificateKey:
        """What to look a certificate up by, without judging anything about it.

        Raises:
            CertificateRefused: untrusted (cannot be parsed).
        """
        ...

    def describe(self, leaf: bytes) -> Credential:
        """Names of a certificate without judging its issuer: only usage and form.

        Raises:
            CertificateRefused: wrong_usage, untrusted (cannot be parsed).
        """
        ...


class RegistrationAuthorities(Protocol):
    """Knows the registration authorities of one profile (RFC 7030 §3.7)."""

    def recognise(self, leaf: bytes, now_us: int) -> Credential | None:
        """The certificate (DER) as a registration authority's; None: it is not listed.

        Raises:
            CertificateRefused: listed, but untrusted, expired, not_yet_valid, wrong_usage.
        """
        ...


class TrustBundles(Protocol):
    """The trust bundles in force and the files they come from, by EST profile."""

    def examine(self, path_id: str, now_us: int) -> TrustChange:
        """Read a profile's file and say what taking it into force would change.

        Raises:
            NotFound: no such profile.
            TrustRefused: the profile has no bundle, or the file must not be used; what
                is in force stays.
        """
        ...

    def publish(self, change: TrustChange) -> None:
        """Put into force what ``examine`` has just read, for every worker."""
        ...
