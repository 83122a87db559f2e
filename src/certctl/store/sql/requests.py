"""Requests for approval and what was said about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.store.commands import (
    approval,
)
from certctl.store.queries import approval as approval_queries
from certctl.store.sql.base import Reads, Writes


class RequestReads(Reads):
    """``ports.reads.RequestReads``."""

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._ask(approval_queries.request, request_id)

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        return self._ask(approval_queries.page, status, after, limit)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._ask(approval_queries.decisions, request_id)


class RequestWrites(Writes):
    """``ports.writes.RequestWrites``."""

    __slots__ = ()

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return self._run(approval_queries.ours_by_key, keys)

    def waiting_number(self, now_us: int) -> int:
        return self._run(approval_queries.waiting_number, now_us)

    def record_requests(self, requests: Sequence[WaitingRequest]) -> None:
        self._run(approval.record_requests, requests)

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._run(approval_queries.our_request, request_id)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._run(approval_queries.decisions, request_id)

    def record_decision(self, decision: Decision) -> None:
        self._run(approval.record_decision, decision)

    def settle_request(
        self,
        request_id: str,
        status: RequestStatus,
        *,
        note: str = "",
        certificate_id: str | None = None,
    ) -> None:
        self._run(approval.settle, request_id, status, note, certificate_id)

    def forget_requests(self, before_us: int, most: int) -> None:
        self._run(approval.forget, before_us, most)
