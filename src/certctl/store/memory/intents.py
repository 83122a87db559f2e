"""Calls of CAs outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.ports import DuplicateKey
from certctl.store.memory.base import Reads, Writes
from certctl.store.memory.tables import Tables

_FORGETTABLE = frozenset({IntentStatus.ISSUED, IntentStatus.REFUSED, IntentStatus.FAILED})


class IntentReads(Reads):
    """``ports.reads.IntentReads``."""

    def intent(self, intent_id: str) -> Intent | None:
        return self._now().intents.get(intent_id)

    def intents(
        self,
        *,
        statuses: Collection[IntentStatus] = (),
        after: str | None = None,
        limit: int = 100,
    ) -> Sequence[Intent]:
        rows = self._now().intents
        return [
            rows[key]
            for key in sorted(rows)
            if (after is None or key > after) and (not statuses or rows[key].status in statuses)
        ][:limit]

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        return _overdue(self._now(), now_us, closed_after_us, most)

    def intent_numbers(self, statuses: Collection[IntentStatus]) -> Mapping[IntentStatus, int]:
        rows = self._now().intents.values()
        return {each: sum(row.status is each for row in rows) for each in statuses}


class IntentWrites(Writes):
    """``ports.writes.IntentWrites``."""

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        rows = self._open().intents
        return {rows[key].key: rows[key] for key in sorted(rows) if rows[key].key in keys}

    def intent(self, intent_id: str) -> Intent | None:
        return self._open().intents.get(intent_id)

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        return _overdue(self._open(), now_us, closed_after_us, most)

    def record_intents(self, rows: Sequence[Intent]) -> None:
        intents = self._open().intents
        for row in rows:
            taken = any(each.is_open and each.key == row.key for each in intents.values())
            if row.id in intents or (taken and row.is_open):
                raise self._failed(DuplicateKey("intents.open_key"))
            intents[row.id] = row

    def change_intent(self, intent: Intent, *, expected: IntentStatus) -> bool:
        intents = self._open().intents
        found = intents.get(intent.id)
        if found is None or found.status is not expected:
            return False
        intents[intent.id] = intent
        return True

    def forget_intents(self, before_us: int, most: int) -> None:
        intents = self._open().intents
        old = [
            each
            for each in intents.values()
            if each.status in _FORGETTABLE
            and each.deadline_us <= before_us
            and (each.closed_us or 0) <= before_us
        ]
        for each in sorted(old, key=lambda each: each.deadline_us)[:most]:
            del intents[each.id]


def _overdue(tables: Tables, now_us: int, closed_after_us: int, most: int) -> list[Intent]:
    found = [
        each
        for each in tables.intents.values()
        if (each.is_open and each.deadline_us <= now_us)
        or (
            each.status is IntentStatus.ORPHAN
            and each.told_us is None
            and each.certificate_id is not None
            and (each.closed_us or 0) > closed_after_us
        )
    ]
    return sorted(found, key=lambda each: (each.status, each.deadline_us, each.id))[:most]
