"""Revocations on record, held against the audit trail and what operators were told.

The trail is replayed in its order: what it says of each certificate must be what the
inventory says, and no renewal may come while its predecessor is revoked.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certctl.domain.audit import AuditAction
from certctl.domain.revocation import RevocationReason

if TYPE_CHECKING:
    from tests.chaos.verdict import Books, Verdict


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A revocation (or with None a release) that was confirmed to whoever asked."""

    certificate_id: str
    reason: RevocationReason | None


def check_revocations(verdict: Verdict, books: Books, confirmed: Sequence[Confirmed]) -> None:
    """Every check on revocations; broken promises become sentences of the verdict."""
    state, history, renewed = _replay(books)
    verdict.revoked = sum(reason is not None for reason in state.values())
    on_record = {each.id: each for each in books.certificates}
    told = {each.id: each.revocation_reason for each in books.certificates if each.revoked_us}
    said = {each: reason for each, reason in state.items() if reason}
    verdict.blame("revoked on record without its event", told.keys() - said.keys())
    verdict.blame("revocation events without revocation", said.keys() - told.keys())
    verdict.blame(
        "revoked for another reason than the trail says",
        (each for each in told.keys() & said.keys() if told[each] != said[each]),
    )
    verdict.blame("revoked, but not on record at all", history.keys() - on_record.keys())
    verdict.blame(
        "confirmed to an operator, not in the trail",
        (
            each.certificate_id
            for each in confirmed
            if (each.reason.value if each.reason else None)
            not in history.get(each.certificate_id, [])
        ),
    )
    verdict.blame("revoked twice for the same reason", _doubled(history))
    verdict.blame("renewed while revoked", renewed)


def _replay(books: Books) -> tuple[dict[str, str | None], dict[str, list[str | None]], list[str]]:
    """The reason of each at the end, all its changes in order, and renewals of revoked ones."""
    renews = {each.id: each.renews for each in books.certificates}
    state: dict[str, str | None] = {}
    history: dict[str, list[str | None]] = {}
    renewed: list[str] = []
    for each in books.events:
        event = each.event
        match event.action:
            case AuditAction.CERTIFICATE_REVOKED:
                state[event.resource_id] = str(event.details["reason"])
            case AuditAction.CERTIFICATE_RELEASED:
                state[event.resource_id] = None
            case AuditAction.SIMPLE_REENROLL_SUCCESS if event.resource_id:
                predecessor = renews.get(event.resource_id)
                if predecessor is not None and state.get(predecessor):
                    renewed.append(predecessor)
                continue
            case _:
                continue
        history.setdefault(event.resource_id, []).append(state[event.resource_id])
    return state, history, renewed


def _doubled(history: dict[str, list[str | None]]) -> list[str]:
    """A repeated command changes nothing: the first revocation stands."""
    hold = RevocationReason.CERTIFICATE_HOLD.value
    return [
        each
        for each, changes in history.items()
        if any(old == new or old not in (hold, None) for old, new in itertools.pairwise(changes))
    ]
