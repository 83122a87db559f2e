"""Calls of CAs outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.intent import Intent, IntentStatus
from certctl.store.commands import intents
from certctl.store.queries import intents as intent_queries
from certctl.store.sql.base import Reads, Writes


class IntentReads(Reads):
    """``ports.reads.IntentReads``."""

    def intent(self, intent_id: str) -> Intent | None:
        return self._ask(intent_queries.intent, intent_id)

    def intents(
        self,
        *,
        statuses: Collection[IntentStatus] = (),
        after: str | None = None,
        limit: int = 100,
    ) -> Sequence[Intent]:
        return self._ask(intent_queries.page, statuses, after, limit)

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        return self._ask(intent_queries.overdue, now_us, closed_after_us, most)

    def intent_numbers(self, statuses: Collection[IntentStatus]) -> Mapping[IntentStatus, int]:
        return self._ask(intent_queries.numbers, statuses)


class IntentWrites(Writes):
    """``ports.writes.IntentWrites``."""

    __slots__ = ()

    def newest_intents(self, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
        return self._run(intent_queries.newest_by_key, keys)

    def intent(self, intent_id: str) -> Intent | None:
        return self._run(intent_queries.intent, intent_id)

    def overdue_intents(self, now_us: int, closed_after_us: int, most: int) -> Sequence[Intent]:
        return self._run(intent_queries.overdue, now_us, closed_after_us, most)

    def record_intents(self, rows: Sequence[Intent]) -> None:
        self._run(intents.record_intents, rows)

    def change_intent(self, intent: Intent, *, expected: IntentStatus) -> bool:
        return self._run(intents.change_intent, intent, expected)

    def forget_intents(self, before_us: int, most: int) -> None:
        self._run(intents.forget_intents, before_us, most)
