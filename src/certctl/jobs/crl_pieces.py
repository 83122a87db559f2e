"""Sends an encoded CRL to the authority piece by piece and has it signed there.

What is on its way is one CRL of one scope: a full one, a delta CRL, or a partition's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from certctl.authority.commands import (
    Command,
    CrlPartKept,
    CrlPartsDropped,
    CrlPublished,
    DropCrlParts,
    PutCrlPart,
    SignCrl,
)
from certctl.domain.clock import Clock
from certctl.domain.crl import CrlRecord, RevokedBlock
from certctl.jobs.loop import Caller
from certctl.wire.crl import CrlFields, CrlIssuer, encode_pieces

Answer = TypeVar("Answer")


class PieceCaller(Caller, Protocol):
    """The authority, as who sends it many pieces calls it."""

    def execute_each(self, commands: Iterable[Command], answer: type[Answer]) -> int:
        """One after the other, the next being made meanwhile; gives how many there were."""
        ...


class CrlPublisher:
    """Has the CRLs of one issuer signed and published."""

    def __init__(
        self,
        issuer_id: str,
        issuer: CrlIssuer,
        *,
        caller: PieceCaller,
        clock: Clock,
        on_published: Callable[[CrlRecord, int], None],
    ) -> None:
        """``on_published`` is given how long the run took, too, in microseconds."""
        self._issuer_id = issuer_id
        self._issuer = issuer
        self._caller = caller
        self._clock = clock
        self._on_published = on_published

    def publish(
        self,
        fields: CrlFields,
        blocks: Sequence[RevokedBlock],
        fence: int,
        *,
        stamp: str,
        scheduled: bool,
        partition: int | None = None,
    ) -> CrlRecord:
        """One more CRL. ``stamp`` is that of the records that ``blocks`` were read from, or an
        earlier one; ``scheduled``: its time had come.

        Raises:
            Failure: what the authority says against it.
        """
        delta = fields.base_number is not None
        pieces = encode_pieces(self._issuer, fields, blocks)
        parts = self._caller.execute_each(
            (
                PutCrlPart(
                    fence=fence,
                    issuer_id=self._issuer_id,
                    number=fields.number,
                    part=part,
                    octets=octets,
                    delta=delta,
                    partition=partition,
                )
                for part, octets in enumerate(pieces)
            ),
            CrlPartKept,
        )
        signed = self._caller.execute(
            SignCrl(
                fence=fence,
                issuer_id=self._issuer_id,
                number=fields.number,
                parts=parts,
                scheduled=scheduled,
                stamp=stamp,
                delta=delta,
                partition=partition,
            ),
            CrlPublished,
        )
        self._on_published(signed.crl, self._clock() - fields.this_update_us)
        drop = DropCrlParts(
            fence=fence, issuer_id=self._issuer_id, delta=delta, partition=partition
        )
        while self._caller.execute(drop, CrlPartsDropped).more:
            pass
        return signed.crl
