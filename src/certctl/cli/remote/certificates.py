"""``certctl-cli certificates``: the inventory of a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import DEFAULT_LIMIT, Limit, Once, api, segment
from certctl.cli.remote.contexts import Where
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
CertificateId = Annotated[str, typer.Argument(help="Id of the certificate.", metavar="ID")]
Reason = Annotated[RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")]

certificates = typer.Typer(
    name="certificates", help="Certificates on record.", no_args_is_help=True
)


@certificates.command("list")
@ending
@spread
def show_list(where: Where, printing: Printing, *, limit: Limit = DEFAULT_LIMIT) -> None:
    """List certificates in the order in which they were issued.

    Example: certctl-cli certificates list --limit 1000 --output json
    """
    with api(where) as server:
        page = server.listing("/certificates", limit)
    printing.rows(page, page["data"], COLUMNS)


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
