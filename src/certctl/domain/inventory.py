"""The inventory: what certificates are searched by, and what a list shows (records §3).

Every filter that is given must hold. Names (CN, SAN, principal) are compared without
regard to case, whole or by their beginning; a principal given whole is compared exactly,
because revocations are chosen by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from certctl.domain.certificates import CertificateSource, CertificateStatus
from certctl.domain.profiles import profile_name
from certctl.domain.revocation import RevocationReason
from certctl.domain.san import SanKind

IMPORTED_PROFILE = "(imported)"
"""Stands where an EST profile would, of certificates that none has issued: no path ID."""

OWN_PROFILE = "(this server)"
"""Shown where an EST profile would, of what the server made for itself."""

LONGEST_KEY = 255
"""Octets of a name that are searched by. Databases bound the size of a key, and no DNS
name is longer; of a longer URI the beginning is compared."""

LONGEST_LIST = 500

_SAN_KINDS = frozenset(kind.value for kind in SanKind)


def search_key(name: str) -> bytes:
    """The form in which names are kept and compared for search: octets, so that every
    database sorts them alike.
    """
    return name.casefold().encode("utf-8", "replace")[:LONGEST_KEY]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameMatch:
    """A whole name, or with ``prefix`` its beginning."""

    text: str
    prefix: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """As people write it: a ``*`` at the end asks for every name that begins so."""
        return cls(text=text.removesuffix("*"), prefix=text.endswith("*"))

    @classmethod
    def parse_san(cls, text: str) -> Self:
        """The same for a SAN, whose kind may stand before it: ``dns:a.example.org``."""
        return cls.parse(san_value(text))

    @property
    def key(self) -> bytes:
        return search_key(self.text)

    def admits(self, key: bytes) -> bool:
        """Whether a ``search_key`` is what was asked for."""
        return key.startswith(self.key) if self.prefix else key == self.key


def san_value(san: str) -> str:
    """A SAN without its kind: ``dns:a.example.org`` and ``a.example.org`` ask the same."""
    kind, colon, value = san.partition(":")
    return value if colon and kind in _SAN_KINDS else san


class WantedStatus(StrEnum):
    """What a list can be narrowed to; ``expired`` only counts what was not revoked."""

    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter:
    """What to find. None asks for anything; times are from (included) to (excluded).

    Attributes:
        serial: hexadecimal; what is no number finds nothing.
        fingerprint: SHA-256 of the certificate.
        spki_sha256: SHA-256 of its SubjectPublicKeyInfo.
        profile: path ID; the legacy profile's is empty.
        profiles: path IDs of which it must have one: what a key is held to. Empty asks
            for any.
    """

    cn: NameMatch | None = None
    san: NameMatch | None = None
    principal: NameMatch | None = None
    serial: str | None = None
    fingerprint: bytes | None = None
    spki_sha256: bytes | None = None
    profile: str | None = None
    certificate_profile: str | None = None
    issuer_id: str | None = None
    status: WantedStatus | None = None
    expires_from_us: int | None = None
    expires_before_us: int | None = None
    issued_from_us: int | None = None
    issued_before_us: int | None = None
    source: CertificateSource | None = None
    tenant: str | None = None
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSummary:
    """One line of the inventory: a ``CertificateRecord`` without its long values."""

    id: str
    serial: str
    profile: str
    certificate_profile: str
    issuer_id: str
    principal: str
    subject: str
    subject_der: bytes
    sans: tuple[str, ...]
    key_algorithm: str
    spki_sha256: bytes
    fingerprint: bytes
    not_before_us: int
    not_after_us: int
    issued_us: int
    source: CertificateSource
    renews: str | None
    status: CertificateStatus
    revoked_us: int | None
    revocation_reason: str | None
    tenant: str | None

    def standing(self, now_us: int) -> WantedStatus:
        """Its status for people: a hold is told apart, and expiry is derived."""
        if self.status is CertificateStatus.REVOKED:
            held = self.revocation_reason == RevocationReason.CERTIFICATE_HOLD
            return WantedStatus.HOLD if held else WantedStatus.REVOKED
        return WantedStatus.VALID if self.not_after_us > now_us else WantedStatus.EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryPage:
    """Some of what was asked for. A page may hold fewer than asked, even none, and still
    have a next one: the work for one page is bounded, whatever is asked.

    Attributes:
        cursor: asks for the next page, with the same filter; None: there is none.
    """

    rows: tuple[CertificateSummary, ...]
    cursor: str | None


def profile_shown(source: str, profile: str) -> str:
    """By which EST profile a certificate came, for people; ``source`` is a ``CertificateSource``,
    or one of a newer server.

    The rows of the server's own certificates name no profile, as those of the legacy root.
    """
    return OWN_PROFILE if source == CertificateSource.INTERNAL else profile_name(profile)


class CursorRefused(ValueError):
    """A cursor of another filter or order, or none at all."""


class ListOrder(StrEnum):
    """In which order a list comes; the filter decides."""

    ID = "id"
    """By time of issuance."""
    NAME = "name"
    EXPIRY = "expiry"


def order_of(wanted: CertificateFilter) -> ListOrder:
    """Names asked for by their beginning come by name, a range of expiry by expiry,
    everything else by time of issuance.
    """
    names = (wanted.cn, wanted.san, wanted.principal)
    if any(match is not None and match.prefix for match in names):
        return ListOrder.NAME
    if (
        wanted.expires_from_us is not None
        or wanted.expires_before_us is not None
        or wanted.status is WantedStatus.EXPIRED
    ):
        return ListOrder.EXPIRY
    return ListOrder.ID


def admits(wanted: CertificateFilter, found: CertificateSummary, now_us: int) -> bool:
    """Whether a certificate is what was asked for, but for its CN and SANs: those need
    reading of DER (``store.names``).
    """
    return (
        _equal(wanted.profile, found.profile)
        and (not wanted.profiles or found.profile in wanted.profiles)
        and _equal(wanted.certificate_profile, found.certificate_profile)
        and _equal(wanted.issuer_id, found.issuer_id)
        and _equal(wanted.source, found.source)
        and _equal(wanted.tenant, found.tenant)
        and _equal(wanted.fingerprint, found.fingerprint)
        and _equal(wanted.spki_sha256, found.spki_sha256)
        and _within(wanted.expires_from_us, found.not_after_us, wanted.expires_before_us)
        and _within(wanted.issued_from_us, found.issued_us, wanted.issued_before_us)
        and (wanted.serial is None or _number(wanted.serial) == int(found.serial, 16))
        and (wanted.principal is None or _principal(wanted.principal, found.principal))
        and (wanted.status is None or _status(wanted.status, found, now_us))
    )


def _equal(wanted: object | None, found: object) -> bool:
    return wanted is None or wanted == found


def _within(first: int | None, value: int, end: int | None) -> bool:
    return (first is None or first <= value) and (end is None or value < end)


def _number(serial: str) -> int | None:
    try:
        return int(serial, 16)
    except ValueError:
        return None


def _principal(wanted: NameMatch, found: str) -> bool:
    return wanted.admits(search_key(found)) if wanted.prefix else wanted.text == found


def _status(wanted: WantedStatus, found: CertificateSummary, now_us: int) -> bool:
    if wanted is WantedStatus.REVOKED:
        return found.status is CertificateStatus.REVOKED
    return found.standing(now_us) is wanted
