"""``certctl-cli est explain``: what would become of a CSR, rule by rule; issues nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.ending import EXIT_PENDING, EXIT_REFUSED
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import api
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est import est
from certctl.cli.remote.est_options import read_input
from certctl.client.failures import BadInput
from certctl.client.rest import RestServer
from certctl.domain.plain_text import escaped

SIGNS = {"passed": "good    ", "failed": "failed  ", "not_judged": "open    "}
EXITS = {"waits": EXIT_PENDING, "refused": EXIT_REFUSED}


class Wanted(StrEnum):
    """Which operation the request is meant for."""

    ENROLL = "simpleenroll"
    REENROLL = "simplereenroll"


@est.command("explain")
@ending
@spread
def explain_request(
    where: Where,
    printing: Printing,
    *,
    csr: Annotated[Path, typer.Option(help="PKCS#10 request, PEM or base64; - for stdin.")],
    profile: Annotated[str, typer.Option(help="EST profile; empty for the legacy root.")] = "",
    operation: Annotated[Wanted, typer.Option(help="What is asked for.")] = Wanted.ENROLL,
    user: Annotated[str | None, typer.Option(help="HTTP Basic user; no password needed.")] = None,
    cert: Annotated[Path | None, typer.Option(help="Client certificate shown (PEM).")] = None,
    source: Annotated[str | None, typer.Option(help="Address it comes from.")] = None,
) -> None:
    """Tell what would become of a request; exit code 5 refused, 6 waits for approval.

    Example: certctl-cli est explain --profile corp --csr device.csr --user device-1
    """
    body = {
        "profile": profile,
        "csr": _text(csr),
        "operation": operation.value,
        "user": user,
        "certificate": _text(cert) if cert is not None else None,
        "source": source,
    }
    with api(where) as server:
        explained = explained_by(server, body)
    printing.show(explained, lambda: _print(explained))
    if code := EXITS.get(str(explained["outcome"])):
        raise typer.Exit(code)


def explained_by(server: RestServer, body: Mapping[str, Any]) -> dict[str, Any]:
    """The server's judgement; fields that are None are left to it."""
    given = {name: value for name, value in body.items() if value is not None}
    answer: dict[str, Any] = server.write("POST", "/est/explain", given)
    return answer


def _print(explained: Mapping[str, Any]) -> None:
    rules = explained["rules"]
    width = max((len(each["rule"]) for each in rules), default=0)
    for each in rules:
        told = each["came"] or each["note"] or each["wanted"]
        print(f"{SIGNS.get(each['verdict'], '')}{each['rule'].ljust(width)}  {escaped(told)}")
        if each["verdict"] == "failed":
            print(f"{'':{width + 10}}wanted: {escaped(each['wanted'])}")
            print(f"{'':{width + 10}}remedy: {escaped(each['remedy'])}")
    by = f" by {explained['refused_by']}" if explained["refused_by"] else ""
    print(f"outcome: {explained['outcome']}{by}")
    for name, value in (explained["certificate"] or {}).items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        print(f"  {name.ljust(20)} {escaped(shown)}")


def _text(path: Path) -> str:
    try:
        return read_input(path).decode()
    except ValueError as err:
        raise BadInput(f"{path} is not text.", "Give PEM or base64.") from err
