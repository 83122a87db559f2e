"""``/audit``: the whole trail, with filters, and its seals (records §5)."""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.checkpoint import Checkpoint
from certctl.domain.figures import AuditProof
from certctl.domain.ports import Records
from certctl.web.answers import Answer
from certctl.web.api.audit import AuditPageQuery, list_events
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
    standing = None
    if visit.ask.caller.visible.everything:
        standing = await visit.services.read(_standing)
    return visit.page(
        "audit.html",
        rows=[row_of(each) for each in found.data],
        total=found.total,
        next_cursor=found.next_cursor,
        kept=kept,
        standing=standing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """How far one node's chain reaches, and how far it was sealed and verified."""

    node: str
    events: int
    sealed: int
    verified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The trail's newest seal, and what came of its last verification."""

    seal: Checkpoint | None
    proof: AuditProof | None
    chains: list[Chain]
    unsealed: int
    unverified: int


def _standing(records: Records) -> Standing:
    """All of it from single rows: the walk over the trail is a job's."""
    total = records.checkpoint_total()
    newest = records.checkpoints(after=max(0, total - 1), limit=1)
    seal = newest[0] if newest else None
    proof = records.audit_proof()
    sealed = {head.node: head.seq for head in seal.heads} if seal else {}
    verified = {head.node: head.seq for head in proof.heads} if proof and not proof.broken else {}
    chains = [
        Chain(
            node=head.node,
            events=head.seq,
            sealed=sealed.get(head.node, 0),
            verified=verified.get(head.node, 0),
        )
        for head in records.chain_heads()
    ]
    return Standing(
        seal=seal,
        proof=proof,
        chains=chains,
        unsealed=sum(each.events - each.sealed for each in chains),
        unverified=sum(each.events - each.verified for each in chains),
    )
