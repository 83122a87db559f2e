"""Revoking many certificates at once: by what they are chosen, and what came of it (records §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    NameMatch,
    admits,
)
from certctl.domain.revocation import RevocationReason, may_revoke

SLICE = 400
"""Certificates of one transaction. It takes the authority some 25 ms of CPU, for which the
orders of one turn wait; a commit, and the turn of orders after it, cost as much again on
a busy disk, so that smaller slices would double the time that all of them take."""

MOST_NAMED = 10_000
"""Ids or serial numbers of one revocation."""

MOST_TOLD = 100
"""Errors that are spelled out, and ids that the audit event repeats."""


class CriteriaRefused(ValueError):
    """The criteria choose nothing, or do not say what they choose; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationCriteria:
    """What to revoke: all that is given must hold, and only certificates issued over EST
    are ever chosen, whatever is given.

    Attributes:
        profile: path ID of the EST profile; the legacy profile's is empty.
        profile_id: the certificate profile.
        certificate_ids: None: any. An empty list is refused: it says "none", and dropping
            it would mean "all".
        serials: hexadecimal; the same.
        issued_after_us: from this moment on.
        issued_before_us: up to this moment, which is not included.
    """

    profile: str | None = None
    profile_id: str | None = None
    issuer_id: str | None = None
    tenant: str | None = None
    principal: str | None = None
    certificate_ids: tuple[str, ...] | None = None
    serials: tuple[str, ...] | None = None
    issued_after_us: int | None = None
    issued_before_us: int | None = None

    def require(self) -> None:
        """Refuse what would choose everything, or nothing by mistake.

        Raises:
            CriteriaRefused.
        """
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        if all(value is None for value in given.values()):
            raise CriteriaRefused("no criterion is given: that would be every certificate")
        for name, value in given.items():
            if value in {"", ()} and name != "profile":
                raise CriteriaRefused(f"{name} is empty")
        for name in ("certificate_ids", "serials"):
            named = given[name]
            if named is not None and len(named) > MOST_NAMED:
                raise CriteriaRefused(f"{len(named):,} {name}, at most {MOST_NAMED:,}")
        for serial in self.serials or ():
            if set(serial.lower()) - set("0123456789abcdef"):
                raise CriteriaRefused(f"{serial!r} is no serial number in hexadecimal")

    def wanted(self) -> CertificateFilter:
        """All of it but ids and serials, as a filter of the inventory."""
        return CertificateFilter(
            profile=self.profile,
            certificate_profile=self.profile_id,
            issuer_id=self.issuer_id,
            tenant=self.tenant,
            principal=None if self.principal is None else NameMatch(text=self.principal),
            issued_from_us=self.issued_after_us,
            issued_before_us=self.issued_before_us,
            # Never from outside: what other sources have issued is not touched.
            source=CertificateSource.EST,
        )

    def unlisted(self) -> RevocationCriteria:
        """The same without its lists: what each of a slice is held to again."""
        return replace(self, certificate_ids=None, serials=None)

    def choose(self, found: CertificateSummary, now_us: int) -> bool:
        """Whether a certificate fits all but the lists of ids and serials."""
        return admits(self.wanted(), found, now_us)

    def told(self) -> Mapping[str, str | int | list[str]]:
        """For the audit event; long lists are cut, and their length is said."""
        details: dict[str, str | int | list[str]] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                continue
            if isinstance(value, tuple):
                details[f"{item.name}_total"] = len(value)
                value = [*value[:MOST_TOLD]]
            details[item.name] = value
        return details


def is_revocable(found: CertificateSummary, reason: RevocationReason, now_us: int) -> bool:
    """Whether a bulk revocation changes anything: not for what has expired, which nobody
    accepts any more, nor for what is revoked for good.
    """
    present = RevocationReason(found.revocation_reason) if found.revocation_reason else None
    return found.not_after_us > now_us and may_revoke(present, reason)


@dataclass(slots=True)
class BulkTotals:
    """What came of a bulk revocation, so far.

    Attributes:
        total_matched: certificates that fit the criteria.
        total_revoked: those that this command has revoked; 0 in a dry run.
        total_skipped: those that were revoked already, or had expired.
        total_failed: what was named and could not be revoked; ``errors`` says why.
    """

    total_matched: int = 0
    total_revoked: int = 0
    total_skipped: int = 0
    total_failed: int = 0
    errors: tuple[str, ...] = ()

    @property
    def revocable(self) -> int:
        """What a dry run would have revoked."""
        return self.total_matched - self.total_skipped

    def fail(self, error: str) -> None:
        self.total_failed += 1
        if len(self.errors) < MOST_TOLD:
            self.errors = (*self.errors, error)


CATCH_UP_US = 60 * SECOND_US
"""How far before its beginning a bulk revocation looks again for what came meanwhile:
more than clocks of nodes differ, and than a batch takes."""
