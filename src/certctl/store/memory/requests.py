"""Requests for approval and what was said about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.store.errors import CommandRefused
from certctl.store.memory.base import Reads, Writes


class RequestReads(Reads):
    """``ports.reads.RequestReads``."""

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._now().requests.get(request_id)

    def requests(
        self, *, status: RequestStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[WaitingRequest]:
        rows = self._now().requests
        return [
            rows[key]
            for key in sorted(rows)
            if (after is None or key > after) and status in (None, rows[key].status)
        ][:limit]

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._now().said(request_id)


class RequestWrites(Writes):
    """``ports.writes.RequestWrites``."""

    def requests_by_key(self, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
        return {each.key: each for each in self._open().requests.values() if each.key in keys}

    def waiting_number(self, now_us: int) -> int:
        return sum(
            each.status is RequestStatus.WAITING and each.expires_us > now_us
            for each in self._open().requests.values()
        )

    def record_requests(self, requests: Sequence[WaitingRequest]) -> None:
        tables = self._open()
        for request in requests:
            for old in self.requests_by_key([request.key]).values():
                tables.drop_request(old.id)
            tables.requests[request.id] = request

    def request(self, request_id: str) -> WaitingRequest | None:
        return self._open().requests.get(request_id)

    def decisions(self, request_id: str) -> Sequence[Decision]:
        return self._open().said(request_id)

    def record_decision(self, decision: Decision) -> None:
        tables = self._open()
        if decision.request_id not in tables.requests:
            raise self._failed(CommandRefused("decisions.request_id"))
        tables.decisions[decision.request_id, decision.actor] = decision

    def settle_request(
        self,
        request_id: str,
        status: RequestStatus,
        *,
        note: str = "",
        certificate_id: str | None = None,
    ) -> None:
        requests = self._open().requests
        if request_id in requests:
            requests[request_id] = replace(
                requests[request_id], status=status, note=note, certificate_id=certificate_id
            )

    def forget_requests(self, before_us: int, most: int) -> None:
        tables = self._open()
        old = [each for each in tables.requests.values() if each.expires_us <= before_us]
        for each in sorted(old, key=lambda each: each.expires_us)[:most]:
            tables.drop_request(each.id)
