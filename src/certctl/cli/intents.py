"""``certctl-server intents``: calls of CAs outside whose answer is, or stays, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_NOT_FOUND, from_records, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, print_table
from certctl.cli.text import utc, utc_z
from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.plain_text import escaped
from certctl.domain.profiles import profile_name

if TYPE_CHECKING:
    from certctl.domain.ports import Records

PAGE = 500
COLUMNS = ("ID", "STATUS", "SINCE (UTC)", "ISSUER", "PROFILE", "SUBJECT", "NOTE")
WORTH_A_LOOK = (IntentStatus.OPEN, IntentStatus.LOST, IntentStatus.ORPHAN)

intents = typer.Typer(
    name="intents",
    help="Calls of CAs outside, and what became of them.",
    epilog="Example: certctl-server intents list",
    no_args_is_help=True,
)


@intents.callback()
def _group() -> None:
    """Calls of CAs outside, and what became of them."""


@intents.command("list")
@spread
def show_list(
    printing: Printing,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also what ended well, for the day that it is kept.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """List what is open, lost or an orphan, oldest first.

    Example: certctl-server intents list
    """
    settings = settings_or_exit(config, check_files=False)

    def read(records: Records) -> list[Intent]:
        found: list[Intent] = []
        statuses = () if every else WORTH_A_LOOK
        while page := records.intents(
            statuses=statuses, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    found = from_records(settings, read)

    def people() -> None:
        if found:
            print_table(COLUMNS, [_row(each) for each in found])
        else:
            print("No call of a CA outside is open, lost or an orphan.")

    printing.show({"data": [_data(each) for each in found]}, people)


@intents.command()
@spread
def show(
    intent_id: Annotated[str, typer.Argument(help="Id of the intent, as listed.", metavar="ID")],
    printing: Printing,
    *,
    config: ConfigFile = None,
) -> None:
    """Show one call; its id is the request id that the CA was given.

    Example: certctl-server intents show 01a2…
    """
    settings = settings_or_exit(config, check_files=False)
    intent = from_records(settings, lambda records: records.intent(intent_id))
    if intent is None:
        stop(f"no intent {intent_id} is on record.", EXIT_NOT_FOUND)
    printing.show(_data(intent), lambda: _print(intent))


def _data(intent: Intent) -> dict[str, Any]:
    """For programs; times are RFC 3339 in UTC."""
    return {
        "id": intent.id,
        "status": intent.status.value,
        "issuer_id": intent.issuer_id,
        "profile": intent.profile,
        "subject": intent.subject,
        "source_address": intent.source_address,
        "request_id": intent.request_id,
        "owner": intent.owner,
        "created_at": utc_z(intent.created_us),
        "deadline": utc_z(intent.deadline_us),
        "closed_at": None if intent.closed_us is None else utc_z(intent.closed_us),
        "certificate_id": intent.certificate_id,
        "revoked_at_ca": None if intent.told_us is None else utc_z(intent.told_us),
        "note": intent.note,
        "tenant": intent.tenant,
    }


def _print(intent: Intent) -> None:
    lines = {
        "id": intent.id,
        "status": intent.status.value,
        "subject": intent.subject or "(none)",
        "issuer": intent.issuer_id,
        "profile": profile_name(intent.profile),
        "source": intent.source_address,
        "request-id": intent.request_id,
        "called by": intent.owner,
        "since": utc(intent.created_us),
        "deadline": utc(intent.deadline_us),
    }
    if intent.closed_us is not None:
        lines["closed"] = utc(intent.closed_us)
    if intent.certificate_id:
        lines["certificate"] = intent.certificate_id
    if intent.status is IntentStatus.ORPHAN:
        told = utc(intent.told_us) if intent.told_us is not None else "not confirmed"
        lines["revoked at the CA"] = told
    if intent.note:
        lines["note"] = intent.note
    for name, value in lines.items():
        print(f"{name + ':':20}{escaped(value)}")


def _row(intent: Intent) -> tuple[str, ...]:
    return (
        intent.id,
        intent.status.value,
        utc(intent.created_us),
        intent.issuer_id,
        profile_name(intent.profile),
        escaped(intent.subject),
        escaped(intent.note),
    )
