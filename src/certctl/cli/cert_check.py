"""``certctl-server cert-check``: does everything on record fit together?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FINDINGS, from_records
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.progress import Progress
from certctl.cli.text import OutputForm, print_yaml

if TYPE_CHECKING:
    from certctl.domain.inspection import Finding
    from certctl.store import SqlRecords


@spread
def cert_check(printing: Printing, *, config: ConfigFile = None) -> None:
    """Read every certificate anew and hold it against its row, its events and its CA.

    Works beside a running server, in constant memory. Exit code 8 when something does
    not fit.

    Example: certctl-server cert-check --output json
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.wiring.cert_check import cert_check as run  # noqa: PLC0415 - loads the database

    def whole(records: SqlRecords) -> Counter[str]:
        with Progress(quiet=printing.quiet) as progress:
            checked = Counter[str]()

            def tell(stage: str, done: int, total: int) -> None:
                checked[stage] = done
                progress.tell(stage, done, total)

            found = run(settings, records, tell)
            match printing.form:
                case OutputForm.JSON:
                    checked["findings"] = _as_json(found, checked)
                case OutputForm.YAML:
                    checked["findings"] = _as_yaml(found, checked)
                case OutputForm.TABLE:
                    checked["findings"] = _as_lines(found)
            return checked

    checked = from_records(settings, whole)
    if printing.form is OutputForm.TABLE:
        print(
            f"{checked['certificates']} certificates and {checked['events']} events checked:"
            f" {checked['findings'] or 'no'} findings"
        )
    if checked["findings"]:
        raise typer.Exit(EXIT_FINDINGS)


def _as_lines(found: Iterator[Finding]) -> int:
    """Each as soon as it is found: there may be more than fit into memory."""
    number = 0
    for number, each in enumerate(found, 1):
        if number == 1:
            print(f"{'finding':<12}{'certificate':<34}{'serial':<42}problem")
        print(f"{each.kind:<12}{each.certificate:<34}{each.serial:<42}{each.problem}")
    return number


def _as_json(found: Iterator[Finding], checked: Counter[str]) -> int:
    """One object, written as it grows."""
    number = 0
    print('{"findings": [', end="")
    for number, each in enumerate(found, 1):
        print(",\n " if number > 1 else "\n ", json.dumps(each._asdict()), end="", sep="")
    print(
        "\n], " if number else "], ",
        f'"certificates": {checked["certificates"]}, "events": {checked["events"]}}}',
        sep="",
    )
    return number


def _as_yaml(found: Iterator[Finding], checked: Counter[str]) -> int:
    """The same object, written as it grows."""
    number = 0
    for number, each in enumerate(found, 1):
        if number == 1:
            print("findings:")
        print_yaml([each._asdict()])
    if not number:
        print("findings: []")
    print_yaml({"certificates": checked["certificates"], "events": checked["events"]})
    return number
