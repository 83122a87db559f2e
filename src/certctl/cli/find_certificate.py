"""The one certificate that a command names, by serial number or by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certctl.cli.certificate_filters import serial_number
from certctl.cli.ending import EXIT_NOT_FOUND, EXIT_USAGE, from_records, stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from certctl.domain.certificates import CertificateRecord
    from certctl.domain.inventory import CertificateSummary
    from certctl.domain.ports import Records
    from certctl.settings.schema import Settings

_ID_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate on record, in all its forms."""

    record: CertificateRecord
    summary: CertificateSummary
    now_us: int

    @property
    def certificate(self) -> x509.Certificate:
        from cryptography import x509  # noqa: PLC0415 - a list needs none of it

        return x509.load_der_x509_certificate(self.record.der)


def one(settings: Settings, which: str, issuer: str | None) -> Found:
    """The certificate with this serial number, or this id; or the end, saying why not."""
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - with what loads the database

    number = serial_number(which)

    def read(records: Records) -> tuple[Sequence[CertificateRecord], dict[str, CertificateSummary]]:
        known = list(records.with_serial(number))
        if len(number) == _ID_DIGITS and (by_id := records.certificate(number)) is not None:
            known.append(by_id)
        known = [each for each in known if issuer in {None, each.issuer_id}]
        return known, dict(records.summaries([each.id for each in known]))

    known, summaries = from_records(settings, read)
    if not known:
        stop(f"no certificate with serial or id {number} is on record.", EXIT_NOT_FOUND)
    if len(known) > 1:
        names = ", ".join(each.issuer_id for each in known)
        stop(
            f"{len(known)} issuers gave serial {number}: {names}; choose one with --issuer.",
            EXIT_USAGE,
        )
    return Found(record=known[0], summary=summaries[known[0].id], now_us=system_clock())
