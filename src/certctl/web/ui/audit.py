"""``/audit``: the whole trail, with filters, and its seals (records §5)."""

from __future__ import annotations

from functools import partial

from certctl.domain.ports import Records
from certctl.web.answers import Answer
from certctl.web.api.audit import AuditPageQuery, list_events
from certctl.web.api.models import moment
from certctl.web.ui.activity import row_of
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Visit

PER_PAGE = 50
FIELDS = ("action", "actor", "profile", "outcome", "source", "text", "from", "to")


async def audit(visit: Visit) -> Answer:
    kept = {name: visit.query.get(name) for name in FIELDS}
    asked = {**kept, "cursor": visit.query.get("cursor"), "per_page": str(PER_PAGE)}
    for name in ("from", "to"):
        given = asked[name]
        # A date field gives a day: it begins at midnight UTC.
        if given and len(given) == len("2026-01-31"):
            asked[name] = f"{given}T00:00:00Z"
    found = await list_events(filled(AuditPageQuery, asked), visit.ask)
    seal = None
    if visit.ask.caller.visible.everything:
        seal = await visit.services.read(partial(_last_seal, visit))
    return visit.page(
        "audit.html",
        rows=[row_of(each) for each in found.data],
        total=found.total,
        next_cursor=found.next_cursor,
        kept=kept,
        seal=seal,
    )


def _last_seal(_: Visit, records: Records) -> dict[str, object] | None:
    """The newest checkpoint, and how many events have come since."""
    total = records.checkpoint_total()
    newest = records.checkpoints(after=max(0, total - 1), limit=1)
    if not newest:
        return None
    sealed = {head.node: head.seq for head in newest[0].heads}
    since = sum(head.seq - sealed.get(head.node, 0) for head in records.chain_heads())
    return {
        "number": newest[0].number,
        "made_at": moment(newest[0].made_us),
        "key_id": newest[0].key_id,
        "since": since,
    }
