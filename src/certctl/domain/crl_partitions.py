"""Partitions of CRLs: each certificate is of one of them, for good (RFC 5280 §5.2.5).

A partition is a number with the place below which its CRLs are published. Certificates
name the URL made of the two, so neither ever changes: where the place becomes another
(PUBLIC_URL, PKI_HTTP_PORT), there are new numbers, and the old ones go on where they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from certctl.domain.crl import crl_scope

MOST_PARTITIONS = 256
"""Each is made, kept and looked at by itself: more cost more than they save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlPartition:
    """A partition on record, of every issuer that has CRLs here; times in microseconds.

    Attributes:
        number: from 1 on.
        base: URL below which everything is published, without a slash at its end.
        until_us: no certificate that was there when it was left is valid any longer; None
            while it is in use.
        ended_us: since then it is not published any more; None while it is.
    """

    number: int
    base: str
    until_us: int | None = None
    ended_us: int | None = None

    @property
    def is_published(self) -> bool:
        return self.ended_us is None

    def url(self, issuer_id: str) -> str:
        """Where the CRL of an issuer's partition is; in its certificates, and in itself."""
        return f"{self.base}/crls/{issuer_id}/{self.number}.crl"


def published(partitions: Sequence[CrlPartition]) -> tuple[CrlPartition, ...]:
    return tuple(each for each in partitions if each.is_published)


def in_use(rows: Sequence[CrlPartition], base: str, wanted: int) -> tuple[CrlPartition, ...]:
    """So many partitions at this place, those on record first; all of them in use."""
    of_place = sorted(each.number for each in rows if each.base == base)[:wanted]
    above = max((each.number for each in rows), default=0) + 1
    new = range(above, above + wanted - len(of_place))
    return tuple(CrlPartition(number=number, base=base) for number in (*of_place, *new))


def listed_us(
    listed: Mapping[str, int],
    partitions: Mapping[int, CrlPartition],
    issuer_id: str,
    partition: int | None,
) -> int | None:
    """``CrlRecord.listed_us`` of the list that drops a certificate last: it stands on the
    issuer's full CRL, and on its partition's while that is published.

    ``listed`` holds those of all scopes; None where one of the two was not made yet.
    """
    full = listed.get(issuer_id)
    row = partitions.get(partition) if partition is not None else None
    if full is None or row is None or not row.is_published:
        return full
    own = listed.get(crl_scope(issuer_id, partition=row.number))
    return None if own is None else min(full, own)
