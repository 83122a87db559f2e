"""At each start: which partitions of CRLs certificates come into, and which have had their day.

What was once in use goes on being published until the last certificate that was there when
it was left has expired, and has stood on a scheduled CRL after that (RFC 5280 §3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from certctl.authority.commands import SYSTEM
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.crl import RECENT_US
from certctl.domain.crl_partitions import CrlPartition, in_use, published
from certctl.domain.ports import Transaction


def settle(
    transaction: Transaction, *, base: str, wanted: int, now_us: int
) -> tuple[tuple[CrlPartition, ...], AuditEvent | None]:
    """Gives those in use, and what is told where anything has changed.

    Args:
        transaction: the event belongs into it.
        base: URL below which this server publishes.
        wanted: how many are in use; 0 for none.
        now_us: microseconds since the epoch.

    Raises:
        DuplicateKey: another node has just done the same.
    """
    rows = {each.number: each for each in transaction.crl_partitions()}
    used = in_use(list(rows.values()), base, wanted)
    told: dict[str, list[str]] = {"added": [], "resumed": [], "left": [], "ended": []}
    for each in used:
        if each.number not in rows:
            transaction.add_crl_partition(each)
            told["added"].append(str(each.number))
        elif each != rows.pop(each.number):
            transaction.change_crl_partition(each)
            told["resumed"].append(str(each.number))
    left = published(list(rows.values()))
    filled = transaction.lately_filled() if left else {}
    for each in left:
        changed = _left(transaction, each, filled.get(each.number, 0), now_us)
        if changed is None:
            continue
        transaction.change_crl_partition(changed)
        told["left" if changed.is_published else "ended"].append(str(each.number))
    return used, _event(told, now_us) if any(told.values()) else None


def _left(
    transaction: Transaction, row: CrlPartition, filled_us: int, now_us: int
) -> CrlPartition | None:
    """One that is not in use any more, where something of it has to be noted.

    ``filled_us``: when the last one expires that came into it lately. Later than all that
    was there when it was left, it says that another node, with other settings, has gone on.
    """
    if row.until_us is None or filled_us > row.until_us:
        return replace(row, until_us=transaction.last_expiry_us())
    over_us = row.until_us + RECENT_US
    listed_us = transaction.partition_listed_us(row.number)
    if now_us <= over_us or (listed_us is not None and listed_us <= over_us):
        return None
    return replace(row, ended_us=now_us)


def _event(told: Mapping[str, list[str]], now_us: int) -> AuditEvent:
    return event_by(
        SYSTEM,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="crl",
        details={
            "what": "partitions of CRLs",
            **{how: numbers for how, numbers in told.items() if numbers},
        },
    )
