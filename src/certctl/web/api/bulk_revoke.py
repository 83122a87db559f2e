"""``POST /est/certificates/bulk-revoke``: many at once, by criteria (records §4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, Field, StrictBool, StringConstraints

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.domain.api_keys import Role, Visible
from certctl.domain.bulk_revocation import (
    MOST_NAMED,
    BulkTotals,
    CriteriaRefused,
    RevocationCriteria,
)
from certctl.domain.revocation import RevocationReason
from certctl.web.api.bulk import Interrupted, Wish
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import ID, Moment, ShortText, Strict, microseconds
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask

SerialNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{1,40}$")]
CertificateId = Annotated[str, StringConstraints(pattern=ID)]


class BulkRevoke(Strict):
    """All criteria that are given must hold, and only certificates issued over EST are ever
    chosen: whatever ``source`` says, it is EST.
    """

    reason: RevocationReason = RevocationReason.UNSPECIFIED
    profile_id: ShortText | None = Field(default=None, description="The certificate profile.")
    profile: ShortText | None = Field(default=None, description="Path ID; empty: legacy root.")
    issuer_id: ShortText | None = None
    tenant: ShortText | None = None
    principal: ShortText | None = Field(default=None, description="Exactly.")
    certificate_ids: list[CertificateId] | None = Field(default=None, max_length=MOST_NAMED)
    serials: list[SerialNumber] | None = Field(default=None, max_length=MOST_NAMED)
    issued_after: Moment | None = Field(default=None, description="From this moment on.")
    issued_before: Moment | None = Field(default=None, description="This moment excluded.")
    source: ShortText | None = Field(default=None, description="Taken, and always EST.")
    dry_run: StrictBool = Field(default=False, description="Count, and change nothing.")

    def criteria(self) -> RevocationCriteria:
        after, before = self.issued_after, self.issued_before
        return RevocationCriteria(
            profile=self.profile,
            profile_id=self.profile_id,
            issuer_id=self.issuer_id,
            tenant=self.tenant,
            principal=self.principal,
            certificate_ids=_tuple(self.certificate_ids),
            serials=_tuple(self.serials),
            issued_after_us=None if after is None else microseconds(after),
            issued_before_us=None if before is None else microseconds(before),
        )


class BulkRevoked(BaseModel):
    """What came of it. ``operation`` is the id that its audit events carry; null in a dry
    run, in which what would be revoked is ``total_matched`` less ``total_skipped``.
    ``total_skipped`` were revoked already or have expired; ``errors`` are the first 100.
    """

    operation: str | None
    dry_run: bool
    total_matched: int
    total_revoked: int
    total_skipped: int
    total_failed: int
    errors: list[str]


async def bulk_revoke(body: BulkRevoke, ask: Ask) -> BulkRevoked:
    """Revoke all certificates issued over EST that fit every criterion; none given: 400.

    Done in slices, between which devices are served. Once begun it goes on to its end,
    also when the client leaves. Ended half-way by the server's own end (503), it goes on
    with the rest when the same request comes again, under the same operation where that
    has the same Idempotency-Key.
    """
    criteria = body.criteria()
    try:
        criteria.require()
    except CriteriaRefused as refused:
        raise ApiRefused(
            400,
            f"The criteria cannot be used: {refused}.",
            error="criteria_refused",
            remedy="Say which certificates are to be revoked.",
        ) from None
    criteria = within(criteria, ask)
    if body.dry_run:
        return _answer(None, await _counted(criteria, body.reason, ask))
    wish = Wish(criteria=criteria, reason=body.reason, caller=ask.caller, once=ask.once)
    try:
        operation, totals = await ask.services.bulk.revoke(wish)
    except Interrupted as ended:
        raise ApiRefused(
            503,
            f"Ended half-way: {ended.revoked} certificates are revoked so far"
            f" (operation {ended.operation}).",
            error="bulk_revoke_interrupted",
            remedy="Send the same request again: it goes on with the rest.",
            headers=((b"Retry-After", b"2"),),
        ) from None
    return _answer(operation, totals)


def within(criteria: RevocationCriteria, ask: Ask) -> RevocationCriteria:
    """The criteria and what the key is held to.

    Raises:
        ApiRefused: they ask for more than the key covers.
    """
    visible = ask.caller.visible
    profile = criteria.profile
    if profile is None and len(visible.profiles) == 1:
        (profile,) = visible.profiles
    tenant = criteria.tenant if criteria.tenant is not None else visible.tenant
    if not visible.covers(tenant=tenant, profile=profile if profile is not None else "*"):
        raise ApiRefused(
            403,
            "This key does not cover these certificates.",
            error="forbidden",
            rule=_held(visible),
            remedy="Name as tenant and profile what the key is held to.",
        )
    return replace(criteria, tenant=tenant, profile=profile)


def _held(visible: Visible) -> str:
    held = [f"the tenant {visible.tenant}"] if visible.tenant is not None else []
    held += [f"the EST profile {each or '(legacy root)'}" for each in visible.profiles]
    return f"The key is held to {', '.join(held)}."


async def _counted(criteria: RevocationCriteria, reason: RevocationReason, ask: Ask) -> BulkTotals:
    now_us = ask.services.clock()
    return await ask.services.read(
        lambda records: BulkRevocation(
            criteria, reason, actor="", operation="", records=records, now_us=now_us
        ).dry_run()
    )


def _answer(operation: str | None, totals: BulkTotals) -> BulkRevoked:
    return BulkRevoked(
        operation=operation,
        dry_run=operation is None,
        total_matched=totals.total_matched,
        total_revoked=totals.total_revoked,
        total_skipped=totals.total_skipped,
        total_failed=totals.total_failed,
        errors=list(totals.errors),
    )


def _tuple(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/est/certificates/bulk-revoke",
        handler=bulk_revoke,
        summary="Revoke many certificates by criteria",
        role=Role.ADMIN,
        answer=BulkRevoked,
        example={"reason": "keyCompromise", "profile_id": "cp-iot-sensors", "dry_run": True},
        tag="EST",
    ),
)
