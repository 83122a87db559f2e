"""What other systems were told, held against the audit trail: all of it, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.events import DeliveryStatus, EventType
from tests.harness.receiver import Post
from tests.harness.server import RunningServer

if TYPE_CHECKING:
    from tests.chaos.verdict import Books, Verdict

DRAINED_SECONDS = 600.0
"""For all that waits. A killed jobs process leaves its lease, which ends after 30 s."""
PAUSE_SECONDS = 0.2
TOLD = {
    AuditAction.SIMPLE_ENROLL_SUCCESS: EventType.CERT_ISSUED,
    AuditAction.SIMPLE_REENROLL_SUCCESS: EventType.CERT_RENEWED,
    AuditAction.CERTIFICATE_REVOKED: EventType.CERT_REVOKED,
}


def wait_drained(server: RunningServer) -> str:
    """Until no event waits; what is wrong if that takes too long."""
    deadline = time.monotonic() + DRAINED_SECONDS
    records = server.records()
    try:
        while waiting := sum(
            n
            for (_, status), n in records.outbox_depth().items()
            if status is DeliveryStatus.WAITING
        ):
            if time.monotonic() > deadline:
                return f"{waiting} events still wait after {DRAINED_SECONDS:.0f} s"
            time.sleep(PAUSE_SECONDS)
    finally:
        records.close()
    return ""


def check_told(verdict: Verdict, books: Books, posts: Iterable[Post]) -> None:
    """Each certificate's issuing and revocation was told at least once, with its own id."""
    wanted = {
        each.id: TOLD[each.event.action].value
        for each in books.events
        if each.event.action in TOLD and _is_told(each.event)
    }
    on_record = {each.id for each in books.certificates}
    told: dict[str, str] = {}
    strangers: set[str] = set()
    verdict.posts = 0
    for post in posts:
        event = post.event
        if not str(event["type"]).startswith("cert."):
            continue
        verdict.posts += 1
        told[post.id] = event["type"]
        if event["data"]["certificate_id"] not in on_record:
            strangers.add(event["data"]["certificate_id"])
    verdict.told = len(told)
    verdict.blame("events that no receiver was told of", wanted.keys() - told.keys())
    verdict.blame("told, but not in the audit trail", told.keys() - wanted.keys())
    verdict.blame("told of certificates that are not on record", strangers)
    verdict.blame(
        "told as another type",
        (each for each in wanted.keys() & told.keys() if wanted[each] != told[each]),
    )


def _is_told(event: AuditEvent) -> bool:
    """A repeated answer names no certificate and is told to nobody."""
    return bool(event.resource_id)
