"""``certctl-server certificates show``: all that is known of one certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.cli.certificate_view import as_json
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import from_records
from certctl.cli.find_certificate import Found, one
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.text import table, utc, utc_z
from certctl.domain.inventory import profile_shown
from certctl.domain.plain_text import escaped
from certctl.domain.renewal_history import renewal_history

if TYPE_CHECKING:
    from cryptography import x509

    from certctl.domain.audit import RecordedEvent
    from certctl.domain.inventory import CertificateSummary
    from certctl.domain.ports import Records

MOST_EVENTS = 200


@spread
def show(
    which: Annotated[
        str, typer.Argument(help="Serial number in hexadecimal, or id.", metavar="SERIAL|ID")
    ],
    printing: Printing,
    *,
    issuer: Annotated[
        str | None, typer.Option(help="Issuer id, where two issuers gave this number.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Show one certificate: its fields, what it renews and is renewed by, its audit trail.

    Example: certctl-server certificates show 5f:3a:09
    """
    settings = settings_or_exit(config, check_files=False)
    found = one(settings, which, issuer)

    def read(
        records: Records,
    ) -> tuple[list[CertificateSummary], list[RecordedEvent], int | None]:
        history = renewal_history(records, found.record)
        events = records.events_about(found.record.id, limit=MOST_EVENTS)
        return history, [*events], records.released_us(found.record.id)

    history, events, released_us = from_records(settings, read)
    printing.show(
        lambda: _json(found, history, events, released_us),
        lambda: _print(found, history, events, released_us),
    )


def _json(
    found: Found,
    history: list[CertificateSummary],
    events: list[RecordedEvent],
    released_us: int | None,
) -> dict[str, Any]:
    return as_json(found.summary, found.now_us) | {
        "released_at": None if released_us is None else utc_z(released_us),
        "auth_mode": found.record.auth_mode,
        "source_address": found.record.source_address,
        "tls_version": found.record.tls_version,
        "channel_binding": found.record.channel_binding,
        "pem": _pem(found.certificate),
        "renewal_history": [as_json(each, found.now_us) for each in history],
        "audit": [
            {
                "time": utc_z(each.event.time_us),
                "action": each.event.action.value,
                "actor": each.event.actor,
                "outcome": each.event.outcome.value,
                "details": dict(each.event.details),
            }
            for each in events
        ],
    }


def _print(
    found: Found,
    history: list[CertificateSummary],
    events: list[RecordedEvent],
    released_us: int | None,
) -> None:
    record, certificate = found.record, found.certificate
    lines = {
        "id": record.id,
        "serial": record.serial,
        "status": found.summary.standing(found.now_us).value,
        "subject": record.subject or "(none)",
        "SANs": ", ".join(record.sans) or "(none)",
        "issuer": f"{record.issuer_id} ({certificate.issuer.rfc4514_string()})",
        "valid": f"{utc(record.not_before_us)} to {utc(record.not_after_us)}",
        "key": record.key_algorithm,
        "signature": certificate.signature_algorithm_oid.dotted_string,
        "fingerprint": record.fingerprint.hex(),
        "key SHA-256": record.spki_sha256.hex(),
        "profile": profile_shown(record.source, record.profile),
        "certificate profile": record.certificate_profile or "(none)",
        "source": record.source.value,
        "issued": utc(record.issued_us),
    }
    if record.principal:
        lines["principal"] = f"{record.principal} ({record.auth_mode})"
    if record.source_address:
        lines["from"] = f"{record.source_address}, {record.tls_version}"
    if record.tenant is not None:
        lines["tenant"] = record.tenant
    if record.revoked_us is not None:
        lines["revoked"] = f"{utc(record.revoked_us)}, {record.revocation_reason}"
    if released_us is not None:
        lines["released"] = utc(released_us)
    for name, value in lines.items():
        print(f"{name + ':':21}{escaped(value)}")
    if history:
        print("\nRenewals, oldest first (this one left out):")
        rows = [
            (each.serial, each.standing(found.now_us).value, utc(each.issued_us))
            for each in history
        ]
        print("\n".join(table(("SERIAL", "STATUS", "ISSUED (UTC)"), rows)))
    print("\nAudit trail (UTC):")
    for each in events:
        told = each.event
        reason = told.details.get("reason", "")
        print(
            f"{utc(told.time_us)}  {told.action.value}  {escaped(told.actor)}"
            f"  {escaped(str(reason))}".rstrip()
        )
    print(f"\n{_pem(certificate)}", end="")


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - slow

    return certificate.public_bytes(Encoding.PEM).decode()
