"""Clients that hang up right after sending their CSR; what was signed for them is on record.

Half of them end with RST, half with FIN; a third at once, a third a moment later, a third
when the answer lies unread before them: the end meets the request wherever it is.
Records §1 (1, 2 and 8).
"""

from __future__ import annotations

import itertools
import random
import select
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from tests.chaos.load import EST, Applicant, Ledger, NoAnswer, Request, applicant
from tests.chaos.verdict import Books, Received, Verdict, judge
from tests.harness.device import Device
from tests.harness.resetting import reset_on_close
from tests.harness.server import RunningServer, quickstart_server

CONNECT_SECONDS = 20
LONGEST_DELAY_SECONDS = 0.01


class End(StrEnum):
    """How a client leaves."""

    RST = "RST"
    FIN = "FIN"


class Moment(StrEnum):
    """When it leaves, after it has sent its request."""

    AT_ONCE = "at once"
    SOON = "soon"
    ANSWERED = "answered"


@dataclass(slots=True, kw_only=True)
class HangUp:
    """What was done and what came of it; good when ``problems`` is empty.

    Attributes:
        on_record: certificates on record for a client that had left, by how it left.
        given_later: of those, how many were handed out when the CSR was posted again.
    """

    clients: int = 0
    on_record: dict[End, int] = field(default_factory=lambda: dict.fromkeys(End, 0))
    given_later: int = 0
    problems: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaver:
    request: Request
    end: End
    moment: Moment
    delay: float


def run_hang_up(
    directory: Path,
    *,
    clients: int,
    concurrency: int,
    seed: int,
    progress: Callable[[str], None],
) -> HangUp:
    """Run it in ``directory``, which must be empty; the server is stopped at the end."""
    found = HangUp(clients=clients)
    ledger = Ledger()
    began = time.monotonic()
    server = quickstart_server(directory, environment={"CERTCTL_WORKERS": "2"})
    with server:
        caller = applicant(server, ledger)
        leavers = _leavers(directory, caller, clients, seed)
        with ThreadPoolExecutor(concurrency) as pool:
            for future in [pool.submit(_send_and_leave, server, each) for each in leavers]:
                future.result()
        # A stop ends no sooner than what has begun: then the records are settled.
        _stop(server, found)
        progress(f"{clients} clients have hung up")
        verdict, books = judge(server.database, ())
        found.problems += verdict.problems
        known = books.by_csr()
        for each in leavers:
            found.on_record[each.end] += each.request.csr_sha256 in known
        progress(f"{sum(found.on_record.values())} of them have a certificate on record")

        server.start()
        ledger.problems += _ask_all(applicant(server, ledger), leavers, concurrency)
        _stop(server, found)
    found.verdict, _ = judge(server.database, ledger.received)
    found.given_later = _compare(found, books, ledger.received)
    found.problems += [*ledger.problems, *found.verdict.problems]
    found.seconds = time.monotonic() - began
    return found


def _leavers(directory: Path, caller: Applicant, clients: int, seed: int) -> Sequence[_Leaver]:
    chance = random.Random(seed)  # noqa: S311 - no secret is made of it
    ways = [(end, moment) for moment in Moment for end in End]
    return [
        _Leaver(
            request=caller.enrollment(Device(directory, common_name=f"leaver-{number}")),
            end=end,
            moment=moment,
            delay=chance.uniform(0.0, LONGEST_DELAY_SECONDS),
        )
        for number, (end, moment) in zip(range(clients), itertools.cycle(ways), strict=False)
    ]


def _send_and_leave(server: RunningServer, leaver: _Leaver) -> None:
    request = leaver.request
    head = [f"POST {EST}/{request.operation} HTTP/1.1", f"Host: localhost:{server.port}"]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    head += [f"Content-Length: {len(request.body)}", "", ""]
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=CONNECT_SECONDS)
    with request.context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall("\r\n".join(head).encode() + request.body)
        match leaver.moment:
            case Moment.SOON:
                time.sleep(leaver.delay)
            case Moment.ANSWERED:
                select.select([secure], [], [], CONNECT_SECONDS)
        if leaver.end is End.RST:
            reset_on_close(secure)
    # Closed without close_notify and without having read a single byte.


def _ask_all(caller: Applicant, leavers: Sequence[_Leaver], concurrency: int) -> list[str]:
    """Post every CSR again; the complaints of those that got no certificate."""
    with ThreadPoolExecutor(concurrency) as pool:
        return [each for each in pool.map(partial(_ask, caller), leavers) if each]


def _ask(caller: Applicant, leaver: _Leaver) -> str:
    # Another connection, another context: nothing but the request is the same.
    try:
        caller.ask(leaver.request)
    except NoAnswer as failed:
        return str(failed)
    return ""


def _compare(found: HangUp, before: Books, received: Sequence[Received]) -> int:
    """Who had a certificate on record got that one and no other."""
    on_record = {csr: records[0].der for csr, records in before.by_csr().items()}
    given = {each.csr_sha256: each.certificate for each in received}
    given_later = 0
    for csr, der in on_record.items():
        if csr not in given:
            continue
        if given[csr] == der:
            given_later += 1
        else:
            found.problems.append(f"CSR {csr.hex()} got another certificate than the recorded one")
    if given_later != sum(found.on_record.values()):
        found.problems.append(f"{given_later} of {found.on_record} were given later")
    return given_later


def _stop(server: RunningServer, found: HangUp) -> None:
    if (code := server.stop()) != 0:
        found.problems.append(f"SIGTERM ended the server with {code}")
