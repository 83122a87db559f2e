"""What the audit trail says about certificates, against their rows (``cert_check``).

One event for each issuance or import, one at least for each revocation and each release,
and no others. What came after the beginning of the check, and what only it explains, is
left to the next pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ids import made_us
from certctl.domain.inspection import EventRow, Finding
from certctl.domain.plain_text import shown
from certctl.store import SqlRecords
from certctl.store.tally import Both, Noted, Tally, Told

PAGE = 1_000

# How far the clocks of two nodes may be apart before a log says so.
_SKEW_US = 300 * SECOND_US

# Longer than any bulk revocation takes, from its event to the last of its certificates.
_LONGEST_BULK_US = DAY_US

Stage = Callable[[str, int, int], None]

_ISSUED = frozenset({AuditAction.CONFIG_CHANGED, AuditAction.CERTIFICATE_IMPORTED})
"""Beside the successes of enrollments: the server's own certificates, and others' ones."""


class Trail:
    """Make it first: what is on record by then is what is judged. ``count``, then ask."""

    def __init__(self, records: SqlRecords) -> None:
        self._records = records
        self._heads = records.chain_heads()
        self._skew_us = _SKEW_US if len(self._heads) > 1 else 0
        self._known_from_us = 0
        self._expired_before_us = 0
        self._begun: set[str] = set()
        self._used: dict[str, int] = {}

    def count(self, tally: Tally, stage: Stage) -> None:
        """Read all events; also from when on they are there, for retention drops them."""
        total, done = sum(head.seq for head in self._heads), 0
        for head in self._heads:
            after = 0
            while page := self._records.event_rows(head.node, after_seq=after, limit=PAGE):
                told = (self._told(event, late=event.seq > head.seq) for event in page)
                tally.tell(each for each in told if each is not None)
                for event in page:
                    if event.action == AuditAction.RECORD_RETENTION:
                        self._note_retention(head.node, event.seq)
                after = page[-1].seq
                done += len(page)
                stage("events", min(done, total), total)
        self._known_from_us = self._known_from()

    def compare(self, both: Both) -> Iterator[Finding]:
        """Row and events of one certificate."""
        noted, told = both.noted, both.told
        if noted is None:
            # Of an import the event came later than the certificate, maybe after its end.
            began_us = min(told.first_us, made_us(told.id) or told.first_us)
            if not told.late and began_us >= self._expired_before_us:
                problem = "audit events tell of a certificate that is not on record"
                yield Finding("missing", shown(told.id), "", problem)
            return
        for problem in (*self._issuance(noted, told), *self._standing(both, noted)):
            yield Finding("events", shown(noted.id), noted.serial, problem)

    def bulk_revocations(self) -> Iterator[Finding]:
        """Each has its event before the first of its certificates."""
        for operation, used_us in self._used.items():
            dropped = used_us - _LONGEST_BULK_US < self._known_from_us and self._known_from_us
            if operation not in self._begun and not dropped:
                problem = "certificates were revoked by a bulk revocation without an audit event"
                yield Finding("events", shown(operation), "", problem)

    def _told(self, event: EventRow, *, late: bool) -> Told | None:
        if event.action == AuditAction.BULK_REVOKE:
            self._begun.add(event.resource_id)
        if event.resource_type != "certificate" or not event.resource_id:
            return None
        revoked = event.action == AuditAction.CERTIFICATE_REVOKED
        released = event.action == AuditAction.CERTIFICATE_RELEASED
        issued = event.outcome == Outcome.SUCCESS and (
            event.action.endswith("_success") or event.action in _ISSUED
        )
        if not revoked and not released and not issued:
            return None
        operation = _operation(event) if revoked else ""
        if operation and not late:
            self._used.setdefault(operation, event.time_us)
        return Told(
            id=event.resource_id,
            issued=int(issued),
            revoked=int(revoked and not late),
            bulk=int(bool(operation)),
            released=int(released and not late),
            late=int(late),
            first_us=event.time_us,
            revoked_us=event.time_us if revoked and not late else 0,
            released_us=event.time_us if released and not late else 0,
        )

    def _note_retention(self, node: str, seq: int) -> None:
        """Certificates that had ended before that moment may have been dropped."""
        whole = self._records.events(node=node, after_seq=seq - 1, limit=1)
        bound = whole[0].event.details.get("expired_before_us")
        self._expired_before_us = max(self._expired_before_us, int(str(bound)))

    def _known_from(self) -> int:
        """From when on every chain has its events."""
        first = [
            self._records.event_rows(stub.node, after_seq=stub.last_seq, limit=1)
            for stub in self._records.stubs()
        ]
        return max((rows[0].time_us for rows in first if rows), default=0)

    def _issuance(self, noted: Noted, told: Told) -> Iterator[str]:
        what = "import" if noted.imported else "issuance"
        # When something was imported, its row does not say.
        known = not self._known_from_us if noted.imported else True
        if told.issued == 0 and known and noted.issued_us >= self._known_from_us:
            yield f"no audit event tells of its {what}"
        if told.issued > 1:
            yield f"{told.issued} audit events tell of its {what}"
        if noted.imported and told.bulk:
            yield "imported, and a bulk revocation has revoked it"

    def _standing(self, both: Both, noted: Noted) -> Iterator[str]:
        told, released_us = both.told, both.released_us
        if told.late:
            return
        # Of what was before, the other event may have been dropped with another chain.
        known_us = self._known_from_us
        released_last = told.released_us > max(told.revoked_us + self._skew_us, known_us)
        revoked_last = told.revoked_us > max(told.released_us + self._skew_us, known_us)
        if noted.revoked and not told.revoked and noted.revoked_us >= self._known_from_us:
            yield "revoked, and no audit event tells of it"
        if noted.revoked and told.revoked and released_last:
            yield "audit events tell of its release, and it is revoked"
        if not noted.revoked and revoked_last:
            yield "audit events tell of its revocation, and it is not revoked"
        if told.released and released_us is None:
            yield "audit events tell of its release, and none is on record"
        if not told.released and released_us is not None and released_us >= self._known_from_us:
            yield "a release is on record, and no audit event tells of it"


def _operation(event: EventRow) -> str:
    """The bulk revocation that a revocation was part of; that details are what was
    written is for ``audit verify`` to find.
    """
    try:
        return str(json.loads(event.details).get("operation", ""))
    except (ValueError, AttributeError):
        return ""
