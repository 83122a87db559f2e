"""``/requests``: what waits for an operator, and the decision about it (policy §5)."""

from __future__ import annotations

from certctl.domain.approval import RequestStatus
from certctl.domain.ports import Records
from certctl.web.answers import Answer
from certctl.web.api import est_requests as api
from certctl.web.ui.decoded import Field, request_fields
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Visit, see

PER_PAGE = 50


async def listing(visit: Visit) -> Answer:
    status = visit.query.get("status", RequestStatus.WAITING.value)
    query = filled(
        api.RequestQuery,
        {"status": status, "cursor": visit.query.get("cursor"), "per_page": str(PER_PAGE)},
    )
    found = await api.list_requests(query, visit.ask)
    return visit.page(
        "requests.html",
        rows=found.data,
        total=found.total,
        next_cursor=found.next_cursor,
        chosen=status,
        statuses=[each.value for each in RequestStatus],
    )


async def show(visit: Visit) -> Answer:
    request_id = visit.names["request"]
    found = await api.show_request(request_id, visit.ask)

    def asked(records: Records) -> list[Field]:
        row = records.request(request_id)
        return request_fields(row.csr_der) if row is not None else []

    return visit.page("request.html", found=found, asked=await visit.services.read(asked))


async def approve(visit: Visit) -> Answer:
    body = filled(api.Approve, {"reason": visit.form.get("reason")})
    await api.approve(visit.names["request"], body, visit.ask)
    return see(f"/requests/{visit.names['request']}")


async def deny(visit: Visit) -> Answer:
    body = filled(api.Deny, {"reason": visit.form.get("reason")})
    await api.deny(visit.names["request"], body, visit.ask)
    return see(f"/requests/{visit.names['request']}")
