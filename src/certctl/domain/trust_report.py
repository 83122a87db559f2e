"""What one EST profile trusts now, for people: anchors in force, and their file."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from certctl.domain.clock import DAY_US


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFacts:
    """What an anchor's certificate says, whatever the time is; as in ``AnchorReport``."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before_us: int
    not_after_us: int

    def at(self, now_us: int) -> AnchorReport:
        """The same, told at a time."""
        return AnchorReport(
            subject=self.subject,
            issuer=self.issuer,
            serial=self.serial,
            sha256=self.sha256,
            not_before_us=self.not_before_us,
            not_after_us=self.not_after_us,
            days_left=max(0, (self.not_after_us - now_us) // DAY_US),
            expired=self.not_after_us < now_us,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReport:
    """One anchor; ``serial`` in hexadecimal, times in microseconds since the epoch."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before_us: int
    not_after_us: int
    days_left: int
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """``accepted_us`` and ``sha256`` are None where no server runs; ``notes`` are sentences.

    ``kind`` is ``trust_bundle``, or ``registration_authorities``: then the certificates are
    those of registration authorities and nobody's anchors.
    """

    path_id: str
    path: str | None
    kind: str = "trust_bundle"
    accepted_us: int | None = None
    sha256: str | None = None
    anchors: tuple[AnchorReport, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        return asdict(self)
