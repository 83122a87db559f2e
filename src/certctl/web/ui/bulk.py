"""``/certificates/bulk``: many revoked at once, counted first and confirmed by typing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.domain.bulk_revocation import BulkTotals, CriteriaRefused, RevocationCriteria
from certctl.domain.ports import Records
from certctl.domain.revocation import RevocationReason
from certctl.web.answers import Answer
from certctl.web.api.bulk import Interrupted, Wish
from certctl.web.api.models import microseconds
from certctl.web.api.problems import ApiRefused
from certctl.web.ui.certificates import REASONS
from certctl.web.ui.page import Visit

FIELDS = (
    "reason",
    "profile",
    "profile_id",
    "issuer_id",
    "principal",
    "issued_after",
    "issued_before",
)


async def form(visit: Visit) -> Answer:
    return _page(visit, {name: visit.query.get(name, "") for name in FIELDS})


async def count(visit: Visit) -> Answer:
    """How many it would be; changes nothing."""
    kept = {name: visit.form.get(name, "") for name in FIELDS}
    try:
        totals = await visit.services.read(partial(_counted, visit, kept))
    except CriteriaRefused as refused:
        return _page(visit, kept, status=422, fault=str(refused))
    return _page(visit, kept, totals=totals)


async def revoke(visit: Visit) -> Answer:
    """All of it, if the number that was counted was typed and still holds."""
    kept = {name: visit.form.get(name, "") for name in FIELDS}
    try:
        totals = await visit.services.read(partial(_counted, visit, kept))
    except CriteriaRefused as refused:
        return _page(visit, kept, status=422, fault=str(refused))
    # Sent again, it meets what it has revoked itself: the number was right when it came first.
    before = await visit.services.read(partial(_begun, visit))
    if not before and visit.form.get("typed", "").strip() != f"revoke {totals.revocable}":
        fault = f"Nothing was revoked: type “revoke {totals.revocable}” to confirm."
        return _page(visit, kept, status=422, totals=totals, fault=fault)
    wish = Wish(
        criteria=_criteria(kept),
        reason=RevocationReason(kept["reason"]),
        caller=visit.ask.caller,
        once=visit.ask.once,
    )
    try:
        _, done = await visit.services.bulk.revoke(wish)
    except Interrupted as interrupted:
        fault = f"It ended half-way: {interrupted.revoked:,} are revoked. Count again and go on."
        return _page(visit, kept, status=503, fault=fault)
    return _page(visit, kept, done=done, before=before)


def _criteria(kept: Mapping[str, str]) -> RevocationCriteria:
    profile = kept["profile"]
    return RevocationCriteria(
        profile="" if profile == "(legacy root)" else profile or None,
        profile_id=kept["profile_id"] or None,
        issuer_id=kept["issuer_id"] or None,
        principal=kept["principal"] or None,
        issued_after_us=_day(kept["issued_after"]),
        issued_before_us=_day(kept["issued_before"]),
    )


def _begun(visit: Visit, records: Records) -> bool:
    """Whether this very form was carried out before, or is just being."""
    once = visit.ask.once
    return once is not None and records.kept_answer(once.key, visit.services.clock()) is not None


def _counted(visit: Visit, kept: Mapping[str, str], records: Records) -> BulkTotals:
    """Raises CriteriaRefused."""
    try:
        reason = RevocationReason(kept["reason"])
    except ValueError:
        raise CriteriaRefused("Choose a reason") from None
    bulk = BulkRevocation(
        _criteria(kept),
        reason,
        actor=visit.ask.caller.actor,
        operation="",
        records=records,
        now_us=visit.services.clock(),
    )
    return bulk.dry_run()


def _day(text: str) -> int | None:
    """A day of the form, which begins at midnight UTC."""
    if not text:
        return None
    try:
        return microseconds(datetime.fromisoformat(f"{text}T00:00:00+00:00"))
    except ValueError:
        raise ApiRefused(422, "The day cannot be read.", remedy="Write it as 2026-01-31.") from None


def _page(
    visit: Visit,
    kept: Mapping[str, str],
    *,
    status: int = 200,
    totals: BulkTotals | None = None,
    done: BulkTotals | None = None,
    before: bool = False,
    fault: str = "",
) -> Answer:
    return visit.page(
        "bulk.html",
        status=status,
        kept=kept,
        totals=totals,
        done=done,
        before=before,
        fault=fault,
        reasons=REASONS,
        profiles=[each.profile.path_id for each in visit.services.profiles],
    )
