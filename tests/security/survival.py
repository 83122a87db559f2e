"""What a server must do while its disk fails it, and when it has it back."""

from __future__ import annotations

from collections.abc import Callable

from certctl.domain.audit import AuditAction, Counter
from tests.harness.http import basic
from tests.harness.raw import Answer, RawClient, head, post
from tests.harness.records import Ledger, Refused
from tests.harness.replacing import replace
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, assert_refused, enrollment_password
from tests.unit.wire import forge

STORE_ERROR = Refused(
    action=AuditAction.SIMPLE_ENROLL_FAILED,
    reason="store_error",
    counter=Counter.INTERNAL_ERROR,
)


def enroll(server: RunningServer, number: int, *, password: str | None = None) -> Answer:
    """The same request for the same number."""
    given = password or enrollment_password(server)
    line = "Authorization: " + basic("device", given)["Authorization"]
    csr = forge.request(subject=forge.name((forge.CN, f"device-{number}")))
    with RawClient(server) as client:
        client.send(post(ENROLL, csr, line))
        return client.answer()


def assert_survives(
    server: RunningServer, take: Callable[[], object], give_back: Callable[[], object]
) -> None:
    """503 while the disk is away, nothing issued; then the same request works, by itself,
    and the refusals that had to wait are on record.
    """
    pids = server.processes()
    ledger = Ledger(server)
    assert enroll(server, 0).status == 200
    for number in range(1, 4):
        take()  # each time: closing the failed store may have freed its log
        answer = enroll(server, number)
        assert_refused(answer, 503, "nothing was issued for it")
        assert int(answer.headers["retry-after"]) > 0
    # A guess that cannot be counted is not told from a right password.
    assert_refused(enroll(server, 1, password="wrong"), 503, "nothing was issued for it")
    with RawClient(server) as client:
        client.send(head("GET", "/.well-known/est/demo/cacerts"))
        assert client.answer().status == 200
    give_back()
    for number in range(4):
        assert enroll(server, number).status == 200
    # Four certificates, and the first one's answer repeated.
    ledger.expect(replace(STORE_ERROR, times=4), issued=4, repeated=1)
    assert server.processes() == pids, "recovered without a restart"
