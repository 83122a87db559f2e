"""``certctl-cli certificates``: the inventory of a server."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import DEFAULT_LIMIT, Limit, Once, api, segment
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import read_input
from certctl.domain.inventory import WantedStatus, profile_shown
from certctl.domain.revocation import RevocationReason
from certctl.issuers.atomic_write import write_file

COLUMNS = {
    "id": "ID",
    "serial": "SERIAL",
    "subject": "SUBJECT",
    "profile": "PROFILE",
    "status": "STATUS",
    "not_after": "VALID UNTIL",
}
STAR = "With a * at its end, what begins so."
CertificateId = Annotated[str, typer.Argument(help="Id of the certificate.", metavar="ID")]
Reason = Annotated[RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")]

certificates = typer.Typer(
    name="certificates",
    help="Certificates on record.",
    epilog="Example: certctl-cli certificates list --profile iot",
    no_args_is_help=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which certificates; all that are given hold together."""

    cn: Annotated[str | None, typer.Option(help=f"Common name. {STAR}")] = None
    san: Annotated[str | None, typer.Option(help=f"SAN, also as dns:NAME. {STAR}")] = None
    principal: Annotated[str | None, typer.Option(help=f"Who was authenticated. {STAR}")] = None
    serial: Annotated[str | None, typer.Option(help="Serial number, hexadecimal.")] = None
    fingerprint: Annotated[str | None, typer.Option(help="SHA-256, hexadecimal.")] = None
    profile: Annotated[str | None, typer.Option(help="EST profile.")] = None
    certificate_profile: Annotated[str | None, typer.Option(help="Certificate profile.")] = None
    issuer: Annotated[str | None, typer.Option(help="Issuer.")] = None
    status: Annotated[WantedStatus | None, typer.Option(help="In which state.")] = None
    expires_from: Annotated[str | None, typer.Option(help="RFC 3339, included.")] = None
    expires_before: Annotated[str | None, typer.Option(help="RFC 3339, not included.")] = None
    issued_from: Annotated[str | None, typer.Option(help="RFC 3339, included.")] = None
    issued_before: Annotated[str | None, typer.Option(help="RFC 3339, not included.")] = None
    tenant: Annotated[str | None, typer.Option(help="Tenant.")] = None
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="By issuance.")] = False

    def query(self) -> dict[str, Any]:
        """As the API takes it."""
        given = asdict(self)
        given["issuer_id"] = given.pop("issuer")
        given["status"] = self.status.value if self.status else None
        given["oldest_first"] = "true" if self.oldest_first else None
        return given


@certificates.command("list")
@ending
@spread
def show_list(
    where: Where, filters: Filters, printing: Printing, *, limit: Limit = DEFAULT_LIMIT
) -> None:
    """List certificates, the newest first, or those that fit every filter.

    Example: certctl-cli certificates list --profile iot --expires-before 2026-12-01T00:00:00Z

    Example: certctl-cli certificates list --cn "sensor-*" --limit 1000 --output json
    """
    with api(where) as server:
        page = server.listing("/certificates", limit, **filters.query())
    rows = [
        each | {"profile": profile_shown(each["source"], each["profile"])} for each in page["data"]
    ]
    printing.rows(page, rows, COLUMNS)


@certificates.command()
@ending
@spread
def show(certificate_id: CertificateId, where: Where, printing: Printing) -> None:
    """Show one certificate, with its PEM.

    Example: certctl-cli certificates show 0193…
    """
    with api(where) as server:
        printing.fields(server.get(f"/certificates/{segment(certificate_id, 'id')}"))


@certificates.command()
@ending
@spread
def chain(
    certificate_id: CertificateId,
    where: Where,
    *,
    out: Annotated[Path | None, typer.Option(help="File for the PEM.")] = None,
) -> None:
    """Fetch a certificate with those of its CA, PEM, leaf first.

    Example: certctl-cli certificates chain 0193… --out chain.pem
    """
    with api(where) as server:
        pem = server.text(f"/certificates/{segment(certificate_id, 'id')}/chain.pem")
    if out is None:
        sys.stdout.write(pem)
    else:
        write_file(out, pem.encode(), mode=0o644, replace=True)


@certificates.command()
@ending
@spread
def revoke(
    certificate_id: CertificateId,
    where: Where,
    printing: Printing,
    *,
    reason: Reason = RevocationReason.UNSPECIFIED,
    once: Once = None,
) -> None:
    """Revoke a certificate by its id; it renews nothing from then on.

    Example: certctl-cli certificates revoke 0193… --reason keyCompromise
    """
    with api(where) as server:
        path = f"/certificates/{segment(certificate_id, 'id')}/revoke"
        printing.fields(server.write("POST", path, {"reason": reason.value}, once=once))


@certificates.command()
@ending
@spread
def release(
    certificate_id: CertificateId, where: Where, printing: Printing, *, once: Once = None
) -> None:
    """Take a certificateHold back.

    Example: certctl-cli certificates release 0193…
    """
    with api(where) as server:
        path = f"/certificates/{segment(certificate_id, 'id')}/release"
        printing.fields(server.write("POST", path, {}, once=once))


@certificates.command("import")
@ending
@spread
def import_certificates(
    where: Where,
    printing: Printing,
    *,
    file: Annotated[Path, typer.Option(help="Certificates in PEM; - for standard input.")],
    issuer: Annotated[
        str | None, typer.Option(help="What to call a CA that is not the server's.")
    ] = None,
    once: Once = None,
) -> None:
    """Put certificates of other sources on record; they renew nothing.

    Example: certctl-cli certificates import --file old-fleet.pem --issuer old-ca
    """
    body = {"certificates": read_input(file).decode("ascii", "replace")}
    if issuer is not None:
        body["issuer"] = issuer
    with api(where) as server:
        printing.fields(server.write("POST", "/certificates/import", body, once=once))
