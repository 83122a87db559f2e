"""``certctl-cli doctor URL``: what is wrong with an EST server, and how to mend it."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from certctl.cli.client_ending import ending
from certctl.cli.ending import EXIT_FINDINGS
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import api
from certctl.cli.remote.contexts import API_KEY_FILE, CA_BUNDLE, Where
from certctl.cli.remote.est_explain import explained_by
from certctl.cli.remote.est_options import Who, read_input
from certctl.client.doctor.examine import examine
from certctl.client.doctor.report import Report, Result, Verdict
from certctl.client.failures import Refused
from certctl.client.request import read_csr
from certctl.domain.plain_text import escaped

COLOURS = {
    Verdict.GOOD: "green",
    Verdict.NOTE: "cyan",
    Verdict.FINDING: "bold red",
    Verdict.SKIPPED: "yellow",
}


@ending
@spread
def doctor(
    url: Annotated[str, typer.Argument(help="The server: https://HOST[:PORT].", metavar="URL")],
    who: Who,
    printing: Printing,
    *,
    ca_bundle: Annotated[
        Path | None, typer.Option(help=f"PEM file of the CAs to trust. [{CA_BUNDLE}]")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(help=f"A CSR to judge by a certctl server's rules; needs {API_KEY_FILE}."),
    ] = None,
) -> None:
    """Examine any EST server from outside: name, TLS, certificate, answers, clock, CRLs.

    Never enrolls, and shows a password only to a server that is trusted. Takes a second, and
    about 20 where nobody answers. Each finding comes with its remedy; exit code 8 where there
    are any.

    Example: certctl-cli doctor https://est.example.com:8443 --profile corp

    Example: certctl-cli doctor est.example.com --ca-bundle ca.pem --output json
    """
    where = Where(server=url, ca_bundle=ca_bundle)
    server = who.est(where)
    csr = read_csr(read_input(explain), str(explain)) if explain is not None else None
    report = examine(server, lambda: dt.datetime.now(dt.UTC))
    if csr is not None and report.ended:
        report.not_tried("explain")
    elif csr is not None:
        _explain(where, who, csr, report)
    printing.show(report.as_json(), lambda: _print(report))
    if report.findings:
        raise typer.Exit(EXIT_FINDINGS)


def _explain(where: Where, who: Who, csr: bytes, report: Report) -> None:
    """Have the server itself say what would become of a request."""
    body = {"profile": who.profile, "csr": base64.b64encode(csr).decode(), "user": who.user}
    if who.cert is not None:
        body["certificate"] = read_input(who.cert).decode("ascii", "replace")
    with api(where) as server:
        try:
            explained = explained_by(server, body)
        except Refused as refused:
            report.skipped("explain", " ".join(refused.lines()))
            return
    if explained["outcome"] != "refused":
        report.good("explain", f"The request would be {explained['outcome']}.")
        return
    for rule in explained["rules"]:
        if rule["verdict"] == "failed":
            report.found(
                "explain",
                f"rule_{rule['rule']}",
                f"The request would be refused by {rule['rule']}: {rule['came']}",
                rule["remedy"],
            )


def _print(report: Report) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(each.check) for each in report.results)
    for each, checks in _lines(report.results):
        line = Text(f"{each.verdict.value:8}", style=COLOURS[each.verdict])
        line.append(f" {checks.ljust(width)}  {escaped(each.text)}", style="default")
        console.print(line)
        if each.remedy:
            console.print(Text(f"{'':{width + 11}}{each.finding}: {escaped(each.remedy)}"))
    count = len(report.findings)
    console.print(Text(f"{count} finding{'' if count == 1 else 's'}." if count else "Healthy."))


def _lines(results: list[Result]) -> Iterator[tuple[Result, str]]:
    """One for each result; checks that were left out for one reason share theirs."""
    for _, alike in groupby(results, key=lambda each: (each.verdict, each.text)):
        first, *others = alike
        if first.verdict is Verdict.SKIPPED:
            yield first, ", ".join([first.check, *(each.check for each in others)])
        else:
            yield from ((each, each.check) for each in (first, *others))
