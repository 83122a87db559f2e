"""``certctl-cli issuers``: what signs, how long it still may, and what an admin does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.ending import EXIT_FINDINGS
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import Once, api, segment
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import read_input
from certctl.client.failures import BadInput

COLUMNS = {
    "id": "ID",
    "type": "TYPE",
    "origin": "ORIGIN",
    "state": "STATE",
    "key": "KEY",
    "days_to_expiry": "DAYS LEFT",
    "profiles": "EST PROFILES",
}
_DAY_S = 86_400

IssuerId = Annotated[str, typer.Argument(help="Id of the issuer.", metavar="ID")]
ExpectedVersion = Annotated[
    int | None, typer.Option(help="Only if it still has this version.", min=1)
]

issuers = typer.Typer(
    name="issuers",
    help="Issuers and their chains.",
    epilog="Example: certctl-cli issuers list",
    no_args_is_help=True,
)


@issuers.command("list")
@ending
@spread
def show_list(where: Where, printing: Printing) -> None:
    """List issuers.

    Example: certctl-cli issuers list
    """
    with api(where) as server:
        page = server.get("/issuers")
    printing.rows(page, page["data"], COLUMNS)


@issuers.command()
@ending
@spread
def show(issuer_id: IssuerId, where: Where, printing: Printing) -> None:
    """Show one issuer with its chain.

    Example: certctl-cli issuers show iss-local --output yaml
    """
    with api(where) as server:
        printing.fields(server.get(_path(issuer_id)))


@issuers.command()
@ending
@spread
def test(issuer_id: IssuerId, where: Where, printing: Printing) -> None:
    """Have the server really use an issuer, without issuing anything; exit code 8 where it
    does not work.

    Example: certctl-cli issuers test iss-local
    """
    with api(where) as server:
        told = server.write("POST", f"{_path(issuer_id)}/test", {})
    printing.fields(told)
    if not told.get("ok"):
        raise typer.Exit(EXIT_FINDINGS)


@issuers.command()
@ending
@spread
def create(
    issuer_id: IssuerId,
    where: Where,
    printing: Printing,
    *,
    name: Annotated[str | None, typer.Option(help="For people; default: the id.")] = None,
    key_type: Annotated[str, typer.Option(help="P-256, P-384, RSA-3072, Ed25519 …")] = "P-256",
    common_name: Annotated[
        str | None, typer.Option(help="Of the CA; default: one made of the id.")
    ] = None,
    days: Annotated[
        int, typer.Option(help="Certificates are valid so long.", min=1, max=3_660)
    ] = 90,
    subordinate: Annotated[
        bool, typer.Option("--subordinate", help="Its certificate comes from a CA above.")
    ] = False,
    once: Once = None,
) -> None:
    """Make a CA whose key the server keeps encrypted in its store.

    Example: certctl-cli issuers create factory --key-type P-384 --name "Factory CA"
    """
    body: dict[str, Any] = {
        "id": issuer_id,
        "key_type": key_type,
        "validity_seconds": days * _DAY_S,
        "subordinate": subordinate,
    }
    body |= {
        field: text
        for field, text in (("display_name", name), ("common_name", common_name))
        if text is not None
    }
    with api(where) as server:
        printing.fields(server.write("POST", "/issuers", body, once=once))


@issuers.command()
@ending
@spread
def csr(issuer_id: IssuerId, where: Where) -> None:
    """Print the request of an issuer that waits for its certificate, for the CA above.

    Example: certctl-cli issuers csr factory > factory.csr.pem
    """
    with api(where) as server:
        found = server.get(_path(issuer_id))["csr"]
    if not found:
        raise BadInput(f"The issuer {issuer_id} waits for no certificate.")
    print(found, end="")


@issuers.command()
@ending
@spread
def install(
    issuer_id: IssuerId,
    where: Where,
    printing: Printing,
    *,
    file: Annotated[
        Path, typer.Option(help="PEM: its certificate, then its parents up to the root; or -.")
    ],
    once: Once = None,
) -> None:
    """Give a waiting issuer the certificate that the CA above has made.

    Example: certctl-cli issuers install factory --file factory-chain.pem
    """
    try:
        text = read_input(file).decode("ascii")
    except UnicodeDecodeError as err:
        raise BadInput(f"{file} is not PEM.") from err
    with api(where) as server:
        path = f"{_path(issuer_id)}/certificate"
        printing.fields(server.write("POST", path, {"certificate": text}, once=once))


@issuers.command()
@ending
@spread
def enable(
    issuer_id: IssuerId,
    where: Where,
    printing: Printing,
    *,
    expected_version: ExpectedVersion = None,
    once: Once = None,
) -> None:
    """Let a disabled issuer issue again.

    Example: certctl-cli issuers enable factory
    """
    _patch(where, printing, issuer_id, {"enabled": True}, expected_version, once)


@issuers.command()
@ending
@spread
def disable(
    issuer_id: IssuerId,
    where: Where,
    printing: Printing,
    *,
    expected_version: ExpectedVersion = None,
    once: Once = None,
) -> None:
    """Have an issuer issue nothing more; its CRL and OCSP answers go on.

    Example: certctl-cli issuers disable factory
    """
    _patch(where, printing, issuer_id, {"enabled": False}, expected_version, once)


@issuers.command()
@ending
@spread
def rename(
    issuer_id: IssuerId,
    where: Where,
    printing: Printing,
    *,
    name: Annotated[str, typer.Option(help="For people.")],
    expected_version: ExpectedVersion = None,
    once: Once = None,
) -> None:
    """Give an issuer of the store another display name.

    Example: certctl-cli issuers rename factory --name "Factory CA, hall 2"
    """
    _patch(where, printing, issuer_id, {"display_name": name}, expected_version, once)


@issuers.command()
@ending
@spread
def delete(issuer_id: IssuerId, where: Where, printing: Printing, *, once: Once = None) -> None:
    """Destroy the key of an issuer that no EST profile names and of which no certificate is
    unexpired.

    Example: certctl-cli issuers delete factory
    """
    with api(where) as server:
        printing.fields(server.write("DELETE", _path(issuer_id), once=once))


def _patch(
    where: Where,
    printing: Printing,
    issuer_id: str,
    body: dict[str, Any],
    expected_version: int | None,
    once: str | None,
) -> None:
    if expected_version is not None:
        body["expected_version"] = expected_version
    with api(where) as server:
        printing.fields(server.write("PATCH", _path(issuer_id), body, once=once))


def _path(issuer_id: str) -> str:
    return f"/issuers/{segment(issuer_id, 'id')}"
