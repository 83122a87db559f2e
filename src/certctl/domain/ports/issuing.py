"""Who signs, here or outside: certificates, CRLs, OCSP responders; and who lints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from msgspec import Struct

from certctl.domain.crl import SignedCrl
from certctl.domain.order import Order
from certctl.domain.revocation import RevocationReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One finding about a certificate: an error breaks RFC 5280, a warning is unwise."""

    code: str
    error: bool


class Linter(Protocol):
    def __call__(self, der: bytes) -> Sequence[LintFinding]:
        """Judge a certificate (DER) by RFC 5280."""
        ...


class SignedCertificate(Struct, frozen=True, kw_only=True):
    """A signed certificate that has not left the authority: it is not on record yet.

    ``crl_partition``: see ``CertificateRecord``.
    """

    der: bytes
    serial: str
    not_before_us: int
    not_after_us: int
    crl_partition: int | None = None


class Terms(Struct, frozen=True, kw_only=True):
    """What the certificate profile adds to an order.

    Attributes:
        ekus: dotted OIDs; none leaves the extension out.
        backdate_us: how far notBefore lies before now.
        lifetime_us: 0 means the issuer's own.
        shortened_ppm: parts per million by which the lifetime, whosever it is, is cut.
        must_staple: with the TLS feature ``status_request``.
    """

    ekus: tuple[str, ...]
    backdate_us: int
    lifetime_us: int = 0
    shortened_ppm: int = 0
    must_staple: bool = False


class Issuer(Protocol):
    """A CA that signs in this process."""

    def ca_chain(self) -> tuple[bytes, ...]:
        """DER certificates from the issuing CA up to its root."""
        ...

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:
        """Build and sign the certificate of an order (policy §3).

        notAfter is capped to the CA's.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...


@runtime_checkable
class OutsideIssuer(Protocol):
    """A CA outside this process (issuers §1): slow, fallible, and called once per intent.

    Used from threads of the authority, never from its loop; several calls may be under
    way at once.

    Attributes:
        time_limit_us: no call takes longer.
        lifetime_us: of certificates whose terms leave it to the issuer.
    """

    @property
    def time_limit_us(self) -> int: ...

    @property
    def lifetime_us(self) -> int: ...

    def ca_chain(self) -> tuple[bytes, ...]:
        """DER certificates from the issuing CA up to its root."""
        ...

    def issue(self, order: Order, terms: Terms, *, request_id: str, now_us: int) -> bytes:
        """Have one certificate issued (DER). Never tried again by itself.

        ``terms`` leave nothing to the issuer; ``request_id`` is unique to this call, and
        ``now_us`` what its lifetime begins at. What comes back is the caller's to check.

        Raises:
            IssuerUnavailable: the CA has not got the order, or says "later".
            IssuerSilent: it has got it, and what became of it cannot be told.
            IssuerRefused: it said no, and has issued nothing.
            IssuerMisbehaved: what it answered is no certificate.
        """
        ...


@runtime_checkable
class CanFind(Protocol):
    """A CA outside that can tell what became of a call."""

    def find(self, request_id: str) -> bytes | None:
        """The certificate (DER) of the call with this id; None: certainly none.

        Raises:
            IssuerUnavailable, IssuerMisbehaved: it cannot be told now.
        """
        ...


@runtime_checkable
class CanRevoke(Protocol):
    """A CA outside that revokes its certificates when it is told to."""

    def revoke(self, der: bytes, *, reason: RevocationReason, request_id: str) -> None:
        """Have a certificate (DER) revoked; the same once more is fine.

        Raises:
            IssuerUnavailable, IssuerMisbehaved: it is not certain that it was.
        """
        ...


class CrlDraft(Protocol):
    """A TBSCertList (DER) that another process encoded, read piece by piece. A value:
    nothing changes it.
    """

    def fed(self, octets: bytes) -> CrlDraft:
        """The draft with one piece more, which cuts no entry in two.

        Raises:
            CrlRefused: that is no piece of such a list.
        """
        ...

    def sign(self, *, last_number: int, now_us: int) -> SignedCrl:
        """Check and sign what was read.

        ``last_number`` is the highest CRL number signed so far for this scope, 0 for
        none; a delta CRL may repeat it, a full CRL must be above it.

        Raises:
            CrlRefused: not a list of this issuer, or its number or dates are wrong.
            IssuerUnavailable: the key cannot be used now.
        """
        ...


@runtime_checkable
class CanSignCRL(Protocol):
    """An issuer whose key may sign lists of revoked certificates here."""

    def begin_crl(self) -> CrlDraft:
        """A draft that nothing has been read of.

        Raises:
            CrlRefused: its key may not sign lists.
        """
        ...


@runtime_checkable
class CanIssueResponder(Protocol):
    """An issuer that lets another key answer OCSP for it (RFC 6960 §4.2.2.2)."""

    def issue_responder_certificate(
        self, spki_der: bytes, *, now_us: int, validity_us: int
    ) -> SignedCertificate:
        """A certificate for OCSP signing of the key ``spki_der``; to be recorded, too.

        Raises:
            IssuerUnavailable: the key cannot be used now.
        """
        ...
