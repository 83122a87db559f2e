"""The order of a list of certificates, and the page behind a place in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    ListOrder,
    order_of,
)
from certctl.store.names import first_name


class Place(NamedTuple):
    """Where a row stands in the list: its key in the order, then its id."""

    key: bytes | int
    id: str


def place_of(each: CertificateSummary, wanted: CertificateFilter) -> Place:
    match order_of(wanted):
        case ListOrder.NAME:
            return Place(first_name(wanted, each), each.id)
        case ListOrder.EXPIRY:
            return Place(each.not_after_us, each.id)
        case ListOrder.ID:
            return Place(0, each.id)


def cut(
    found: Collection[CertificateSummary],
    wanted: CertificateFilter,
    *,
    after: Place | None,
    limit: int,
    oldest_first: bool,
) -> tuple[list[CertificateSummary], Place | None]:
    """The page behind ``after`` out of all that was found, and the last place on it if
    there is more.
    """
    falling = order_of(wanted) is ListOrder.ID and not oldest_first
    placed = sorted(
        ((place_of(each, wanted), each) for each in found),
        key=lambda at: at[0],
        reverse=falling,
    )
    rest = [
        (place, each)
        for place, each in placed
        if after is None or (place < after if falling else place > after)
    ]
    page = rest[:limit]
    return [each for _, each in page], page[-1][0] if len(rest) > limit else None
