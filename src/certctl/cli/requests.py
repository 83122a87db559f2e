"""``certctl-server requests``: what waits for an operator, and the decision on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from certctl.authority.commands import ApproveRequest, DenyRequest, RequestDecided
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_NOT_FOUND, EXIT_USAGE, command_done, from_records, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, print_table
from certctl.cli.text import utc
from certctl.domain.approval import MAX_REASON, Decision, RequestStatus, WaitingRequest
from certctl.domain.errors import NotFound
from certctl.domain.plain_text import escaped
from certctl.domain.profiles import profile_name

if TYPE_CHECKING:
    from certctl.domain.ports import Records
    from certctl.settings.schema import Settings

PAGE = 500
COLUMNS = ("ID", "STATUS", "SINCE (UTC)", "PROFILE", "OPERATION", "SUBJECT", "SOURCE")
RequestId = Annotated[str, typer.Argument(help="Id of the request, as listed.", metavar="ID")]

requests = typer.Typer(
    name="requests",
    help="Requests that wait for approval.",
    epilog="Example: certctl-server requests list",
    no_args_is_help=True,
)


@requests.callback()
def _group() -> None:
    """Requests that wait for approval."""


@requests.command("list")
@spread
def show_list(
    printing: Printing,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also what is decided or expired, while it is kept.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """List what waits, oldest first.

    Example: certctl-server requests list
    """
    settings = settings_or_exit(config, check_files=False)

    def read(records: Records) -> list[WaitingRequest]:
        found: list[WaitingRequest] = []
        status = None if every else RequestStatus.WAITING
        while page := records.requests(
            status=status, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    now_us = _now_us()
    found = from_records(settings, read)
    rows = [each for each in found if every or each.expires_us > now_us]

    def people() -> None:
        if rows:
            print_table(COLUMNS, [_row(each, now_us) for each in rows])
        else:
            print("Nothing waits for approval.")

    def data() -> object:
        from certctl.web.api.est_requests import request_out  # noqa: PLC0415 - loads the API

        return {"data": [request_out(each).model_dump(mode="json") for each in rows]}

    printing.show(data, people)


@requests.command()
@spread
def show(request_id: RequestId, printing: Printing, *, config: ConfigFile = None) -> None:
    """Show one request with all that was said about it, and its CSR.

    Example: certctl-server requests show 01a2…
    """
    settings = settings_or_exit(config, check_files=False)
    request, said = from_records(
        settings, lambda records: (records.request(request_id), records.decisions(request_id))
    )
    if request is None:
        stop(f"no request {request_id} is on record.", EXIT_NOT_FOUND)

    def data() -> object:
        from certctl.web.api.est_requests import with_decisions  # noqa: PLC0415 - loads the API

        return with_decisions(request, said).model_dump(mode="json")

    printing.show(data, lambda: _print(request, said))


def _print(request: WaitingRequest, said: Sequence[Decision]) -> None:
    approvals = sum(each.approved for each in said)
    lines = {
        "id": request.id,
        "status": _status(request, _now_us()),
        "subject": request.subject or "(none)",
        "SANs": ", ".join(request.sans) or "(none)",
        "operation": request.operation,
        "profile": profile_name(request.profile),
        "certificate profile": request.certificate_profile,
        "principal": f"{request.principal} ({request.auth_mode})",
        "source": request.source_address,
        "request-id": request.request_id,
        "since": utc(request.created_us),
        "expires": utc(request.expires_us),
        "approvals": f"{approvals} of {request.approvals_needed}",
    }
    if request.certificate_id:
        lines["certificate"] = request.certificate_id
    for name, value in lines.items():
        print(f"{name + ':':21}{escaped(value)}")
    for each in said:
        verdict = "approved" if each.approved else "denied"
        reason = f": {escaped(each.reason)}" if each.reason else ""
        print(f"{utc(each.decided_us)}  {verdict} by {escaped(each.actor)}{reason}")
    print(_pem(request.csr_der))


@requests.command()
@spread
def approve(
    request_id: RequestId,
    printing: Printing,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    config: ConfigFile = None,
) -> None:
    """Approve a request: its device gets the certificate with its next poll.

    Where the certificate profile needs two approvals, two different people must give
    them. Who you are is your login on this host; sudo does not change it.

    Example: certctl-server requests approve 01a2… --reason "ticket 4711"
    """
    settings = settings_or_exit(config, check_files=False)
    why = _reason(reason)
    _decide(
        settings,
        lambda actor: ApproveRequest(request_id=request_id, reason=why, actor=actor),
        printing,
    )


@requests.command()
@spread
def deny(
    request_id: RequestId,
    printing: Printing,
    *,
    reason: Annotated[str, typer.Option(help="Why; the device is told, too.")],
    config: ConfigFile = None,
) -> None:
    """Deny a request: its device is refused for as long as the request is kept.

    Example: certctl-server requests deny 01a2… --reason "not our device"
    """
    settings = settings_or_exit(config, check_files=False)
    if not reason.strip():
        stop("a denial needs a reason.", EXIT_USAGE)
    why = _reason(reason)
    _decide(
        settings,
        lambda actor: DenyRequest(request_id=request_id, reason=why, actor=actor),
        printing,
    )


def _decide(
    settings: Settings,
    command: Callable[[str], ApproveRequest | DenyRequest],
    printing: Printing,
) -> None:
    try:
        done = command_done(settings, command, RequestDecided)
    except NotFound as failure:
        stop(f"no {failure.what} is on record.", EXIT_NOT_FOUND)

    def data() -> object:
        from certctl.web.api.est_requests import decided_out  # noqa: PLC0415 - loads the API

        return decided_out(done).model_dump(mode="json")

    decided = done.decided
    count = f"{decided.approvals} of {decided.approvals_needed} approvals"
    line = f"{decided.request_id}  {escaped(decided.subject)}  {decided.status.value}, {count}"
    printing.show(data, lambda: print(line))


def _reason(text: str) -> str:
    if len(text) > MAX_REASON:
        stop(f"a reason has at most {MAX_REASON} characters, not {len(text)}.", EXIT_USAGE)
    return text.strip()


def _row(request: WaitingRequest, now_us: int) -> tuple[str, ...]:
    return (
        request.id,
        _status(request, now_us),
        utc(request.created_us),
        profile_name(request.profile),
        request.operation,
        escaped(request.subject or ", ".join(request.sans)),
        request.source_address,
    )


def _status(request: WaitingRequest, now_us: int) -> str:
    return request.status.value if request.expires_us > now_us else "expired"


def _now_us() -> int:
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - as the server reads it

    return system_clock()


def _pem(der: bytes) -> str:
    from ssl import DER_cert_to_PEM_cert  # noqa: PLC0415

    return DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "CERTIFICATE REQUEST").rstrip()
