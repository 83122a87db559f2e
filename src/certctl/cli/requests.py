"""``certctl-server requests``: what waits for an operator, and the decision on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from certctl.cli.certificates import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_USAGE
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.domain.approval import MAX_REASON, RequestStatus, WaitingRequest
from certctl.domain.plain_text import escaped

if TYPE_CHECKING:
    from certctl.authority.commands import ApproveRequest, DenyRequest
    from certctl.domain.ports import Records
    from certctl.settings.schema import Settings

T = TypeVar("T")
PAGE = 500
COLUMNS = ("ID", "STATUS", "SINCE (UTC)", "PROFILE", "OPERATION", "SUBJECT", "SOURCE")
RequestId = Annotated[str, typer.Argument(help="Id of the request, as listed.", metavar="ID")]

requests = typer.Typer(
    name="requests", help="Requests that wait for approval.", no_args_is_help=True
)


@requests.callback()
def _group() -> None:
    """Requests that wait for approval."""


@requests.command("list")
def show_list(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also what is decided or expired, while it is kept.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """List what waits, oldest first.

    Example: certctl-server requests list
    """
    settings = settings_or_exit(config)

    def read(records: Records) -> list[WaitingRequest]:
        found: list[WaitingRequest] = []
        status = None if every else RequestStatus.WAITING
        while page := records.requests(
            status=status, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    now_us = _now_us()
    found = _from_records(settings, read)
    rows = [_row(each, now_us) for each in found if every or each.expires_us > now_us]
    if not rows:
        print("Nothing waits for approval.")
        return
    _print_table(COLUMNS, rows)


@requests.command()
def show(request_id: RequestId, *, config: ConfigFile = None) -> None:
    """Show one request with all that was said about it, and its CSR.

    Example: certctl-server requests show 01a2…
    """
    settings = settings_or_exit(config)
    request, said = _from_records(
        settings, lambda records: (records.request(request_id), records.decisions(request_id))
    )
    if request is None:
        print(f"certctl-server: no request {request_id} is on record.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_FOUND)
    approvals = sum(each.approved for each in said)
    lines = {
        "id": request.id,
        "status": _status(request, _now_us()),
        "subject": request.subject or "(none)",
        "SANs": ", ".join(request.sans) or "(none)",
        "operation": request.operation,
        "profile": request.profile or "(legacy root)",
        "certificate profile": request.certificate_profile,
        "principal": f"{request.principal} ({request.auth_mode})",
        "source": request.source_address,
        "request-id": request.request_id,
        "since": _time(request.created_us),
        "expires": _time(request.expires_us),
        "approvals": f"{approvals} of {request.approvals_needed}",
    }
    if request.certificate_id:
        lines["certificate"] = request.certificate_id
    for name, value in lines.items():
        print(f"{name + ':':21}{escaped(value)}")
    for each in said:
        verdict = "approved" if each.approved else "denied"
        reason = f": {escaped(each.reason)}" if each.reason else ""
        print(f"{_time(each.decided_us)}  {verdict} by {escaped(each.actor)}{reason}")
    print(_pem(request.csr_der))


@requests.command()
def approve(
    request_id: RequestId,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    config: ConfigFile = None,
) -> None:
    """Approve a request: its device gets the certificate with its next poll.

    Where the certificate profile needs two approvals, two different people must give
    them. Who you are is your login on this host; sudo does not change it.

    Example: certctl-server requests approve 01a2… --reason "ticket 4711"
    """
    settings = settings_or_exit(config)
    from certctl.authority.commands import ApproveRequest  # noqa: PLC0415 - loads the authority
    from certctl.wiring import host  # noqa: PLC0415

    command = ApproveRequest(request_id=request_id, reason=_reason(reason), actor=host.operator())
    _decide(settings, command)


@requests.command()
def deny(
    request_id: RequestId,
    *,
    reason: Annotated[str, typer.Option(help="Why; the device is told, too.")],
    config: ConfigFile = None,
) -> None:
    """Deny a request: its device is refused for as long as the request is kept.

    Example: certctl-server requests deny 01a2… --reason "not our device"
    """
    settings = settings_or_exit(config)
    if not reason.strip():
        print("certctl-server: a denial needs a reason.", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    from certctl.authority.commands import DenyRequest  # noqa: PLC0415 - loads the authority
    from certctl.wiring import host  # noqa: PLC0415

    command = DenyRequest(request_id=request_id, reason=_reason(reason), actor=host.operator())
    _decide(settings, command)


def _decide(settings: Settings, command: ApproveRequest | DenyRequest) -> None:
    from certctl.authority.commands import RequestDecided  # noqa: PLC0415 - loads the authority
    from certctl.domain.errors import Failure, NotFound  # noqa: PLC0415
    from certctl.store import StoreError  # noqa: PLC0415
    from certctl.wiring import host  # noqa: PLC0415

    try:
        decided = host.run_command(settings, command, answer=RequestDecided).decided
    except NotFound as failure:
        print(f"certctl-server: no {failure.what} is on record.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_FOUND) from failure
    except (StoreError, Failure) as failure:
        print(f"certctl-server: {failure}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from failure
    count = f"{decided.approvals} of {decided.approvals_needed} approvals"
    print(f"{decided.request_id}  {escaped(decided.subject)}  {decided.status.value}, {count}")


def _from_records(settings: Settings, read: Callable[[Records], T]) -> T:
    from certctl.domain.errors import Failure  # noqa: PLC0415 - loads the database, as below
    from certctl.store import StoreError  # noqa: PLC0415
    from certctl.wiring import host  # noqa: PLC0415

    try:
        records = host.records(settings)
        try:
            return read(records)
        finally:
            records.close()
    except (StoreError, Failure) as failure:
        print(f"certctl-server: {failure}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from failure


def _reason(text: str) -> str:
    if len(text) > MAX_REASON:
        print(
            f"certctl-server: a reason has at most {MAX_REASON} characters, not {len(text)}.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    return text.strip()


def _row(request: WaitingRequest, now_us: int) -> tuple[str, ...]:
    return (
        request.id,
        _status(request, now_us),
        _time(request.created_us),
        request.profile or "(legacy root)",
        request.operation,
        escaped(request.subject or ", ".join(request.sans)),
        request.source_address,
    )


def _status(request: WaitingRequest, now_us: int) -> str:
    return request.status.value if request.expires_us > now_us else "expired"


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _time(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}"


def _now_us() -> int:
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - as the server reads it

    return system_clock()


def _pem(der: bytes) -> str:
    from ssl import DER_cert_to_PEM_cert  # noqa: PLC0415

    return DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "CERTIFICATE REQUEST").rstrip()
