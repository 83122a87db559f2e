"""``certctl-server certificates list|search``: find what is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certctl.cli.certificate_filters import (
    digest,
    guesses,
    moment,
    serial_number,
    within_days,
)
from certctl.cli.certificate_view import COLUMNS, as_json, cells
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_USAGE, from_records, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, print_table
from certctl.cli.text import OutputForm
from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import (
    LONGEST_LIST,
    CertificateFilter,
    CursorRefused,
    NameMatch,
    WantedStatus,
)

if TYPE_CHECKING:
    from certctl.domain.inventory import CertificateSummary, InventoryPage
    from certctl.domain.ports import Records

Name = Annotated[str | None, typer.Option(help="This name, or what begins so: 'sensor-*'.")]
Hex = Annotated[str | None, typer.Option(help="SHA-256 in hexadecimal.")]
Time = Annotated[str | None, typer.Option(help="Date or time (ISO 8601), UTC.")]


@spread
def show_list(  # noqa: PLR0913 - an option for each filter
    printing: Printing,
    *,
    cn: Name = None,
    san: Name = None,
    principal: Name = None,
    serial: Annotated[str | None, typer.Option(help="Serial number in hexadecimal.")] = None,
    fingerprint: Hex = None,
    key: Annotated[str | None, typer.Option(help="SHA-256 of the public key (SPKI).")] = None,
    profile: Annotated[
        str | None, typer.Option(help="EST profile by path ID; '' is the legacy root.")
    ] = None,
    certificate_profile: Annotated[str | None, typer.Option(help="Certificate profile.")] = None,
    issuer: Annotated[str | None, typer.Option(help="Issuer id.")] = None,
    status: Annotated[WantedStatus | None, typer.Option(help="revoked shows holds too.")] = None,
    expires_from: Time = None,
    expires_before: Time = None,
    expires_within: Annotated[
        int | None, typer.Option(help="Days from now.", min=1, max=36_500)
    ] = None,
    issued_from: Time = None,
    issued_before: Time = None,
    source: Annotated[CertificateSource | None, typer.Option(help="How it came here.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant.")] = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="By issuance.")] = False,
    limit: Annotated[int, typer.Option(help="Lines.", min=1, max=LONGEST_LIST)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on after the page that named it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All pages.")] = False,
    config: ConfigFile = None,
) -> None:
    """List certificates; every filter that is given must hold.

    Newest first; by name where a name ends in *, by expiry where a range of it is given.
    Where there is more, the last line says how to go on.

    Example: certctl-server certificates list --profile iot --expires-within 7
    """
    now_us = _now_us()
    first_us, end_us = within_days(expires_within, now_us)
    wanted = CertificateFilter(
        cn=None if cn is None else NameMatch.parse(cn),
        san=None if san is None else NameMatch.parse_san(san),
        principal=None if principal is None else NameMatch.parse(principal),
        serial=None if serial is None else serial_number(serial),
        fingerprint=digest(fingerprint, "--fingerprint"),
        spki_sha256=digest(key, "--key"),
        profile=profile,
        certificate_profile=certificate_profile,
        issuer_id=issuer,
        status=status,
        expires_from_us=moment(expires_from, "--expires-from") or first_us,
        expires_before_us=moment(expires_before, "--expires-before") or end_us,
        issued_from_us=moment(issued_from, "--issued-from"),
        issued_before_us=moment(issued_before, "--issued-before"),
        source=source,
        tenant=tenant,
    )
    settings = settings_or_exit(config, check_files=False)

    def read(records: Records) -> tuple[list[CertificateSummary], str | None]:
        rows: list[CertificateSummary] = []
        at = cursor
        while True:
            page: InventoryPage = records.search(
                wanted,
                now_us,
                limit=limit - len(rows) if not every else LONGEST_LIST,
                cursor=at,
                oldest_first=oldest_first,
            )
            rows += page.rows
            at = page.cursor
            # A page may come short of its rows and still have a next one.
            if at is None or (not every and len(rows) >= limit):
                return rows, at

    try:
        rows, following = from_records(settings, read)
    except CursorRefused:
        stop("--cursor is not of this list: give the same filters as before.", EXIT_USAGE)
    _print(rows, now_us, printing, cursor=following)
    if following is not None and printing.form is OutputForm.TABLE:
        printing.note(f"There is more; go on with --cursor {following}")


@spread
def search(
    text: Annotated[
        str,
        typer.Argument(
            help="A serial number, a SHA-256 of certificate or key, a CN, SAN or principal;"
            " a * at its end finds what begins so.",
            metavar="TEXT",
        ),
    ],
    printing: Printing,
    *,
    limit: Annotated[int, typer.Option(help="Lines.", min=1, max=LONGEST_LIST)] = 50,
    config: ConfigFile = None,
) -> None:
    """Find certificates by whatever is at hand.

    Example: certctl-server certificates search 'sensor-0815*'
    """
    settings = settings_or_exit(config, check_files=False)
    now_us = _now_us()

    def read(records: Records) -> list[CertificateSummary]:
        found: dict[str, CertificateSummary] = {}
        for wanted in guesses(text):
            at: str | None = None
            while len(found) <= limit:
                page = records.search(wanted, now_us, limit=limit + 1, cursor=at)
                found |= {each.id: each for each in page.rows}
                at = page.cursor
                if at is None:
                    break
        return [*found.values()]

    rows = from_records(settings, read)
    _print(rows[:limit], now_us, printing, cursor=None)
    if len(rows) > limit:
        printing.note(f"There are more than {limit}: use certificates list with its filters.")


def _print(
    rows: list[CertificateSummary], now_us: int, printing: Printing, *, cursor: str | None
) -> None:
    def people() -> None:
        if rows:
            print_table(COLUMNS, [cells(each, now_us) for each in rows])
        else:
            print("No certificate on record fits.")

    def data() -> object:
        return {"data": [as_json(each, now_us) for each in rows], "next_cursor": cursor}

    printing.show(data, people)


def _now_us() -> int:
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - with what loads the database

    return system_clock()
