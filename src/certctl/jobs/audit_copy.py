"""Copies audit events and checkpoints out of the database as they happen (records §5).

The copy stands in nobody's way: it reads what is committed, in a thread of its own, and
waits for a target that is away. How far it has come is kept on disk, after what was copied
and never before; so everything is copied at least once, and some of it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from certctl.domain.audit import Outcome, RecordedEvent
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.ports import Records
from certctl.wire.audit_lines import CheckpointLine, EventLine, encode_line

PAGE = 1_000


class CopiedLine(NamedTuple):
    """One line with its line feed; ``name`` and ``good`` are for syslog."""

    text: bytes
    time_us: int
    name: str
    good: bool


class Sink(Protocol):
    """Where lines go."""

    def write(self, lines: Sequence[CopiedLine]) -> int:
        """All of them, or OSError; gives how many the target can never take."""
        ...

    def reopen(self) -> None: ...


@dataclass(slots=True)
class Cursor:
    """The last event of each chain, and the last checkpoint, that were copied."""

    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    checkpoint: int = 0
    checkpoint_digest: bytes = b""


class AuditCopier:
    """Use from one thread; ``keep`` makes the cursor durable."""

    def __init__(
        self,
        records: Records,
        sink: Sink,
        cursor: Cursor,
        *,
        keep: Callable[[Cursor], None],
    ) -> None:
        self._records = records
        self._sink = sink
        self._cursor = cursor
        self._keep = keep
        self.lines = 0
        self.lost = 0

    def is_of_this_store(self) -> bool:
        """Whether the store still has what was copied last. It has not after a restore."""
        for node, (seq, digest) in self._cursor.chains.items():
            stub = self._records.last_stub(node)
            if stub is not None and seq <= stub.last_seq:
                continue
            found = self._records.events(node=node, after_seq=seq - 1, limit=1)
            if not found or (found[0].seq, found[0].digest) != (seq, digest):
                return False
        number = self._cursor.checkpoint
        if number == 0:
            return True
        seals = self._records.checkpoints(after=number - 1, limit=1)
        return bool(seals) and seals[0].digest() == self._cursor.checkpoint_digest

    def begin_anew(self) -> None:
        """Copy everything once more: two histories in a copy are better than a gap."""
        self._cursor = Cursor()

    def step(self, is_stopping: Callable[[], bool]) -> None:
        """Copy all there is by now.

        Raises:
            OSError: the target cannot take it now; nothing is passed over.
            StoreUnavailable: the store cannot be read now.
        """
        # Seals are read first and written last: an event stands before its seal.
        seals = self._records.checkpoints(after=self._cursor.checkpoint, limit=PAGE)
        for head in self._records.chain_heads():
            for page in self._pages(head):
                self._count_gap(head.node, page[0].seq)
                self._write([_event_line(recorded) for recorded in page])
                self._cursor.chains[head.node] = (page[-1].seq, page[-1].digest)
                self._keep(self._cursor)
                if is_stopping():
                    return
        if seals:
            self._write([_checkpoint_line(seal) for seal in seals])
            self._cursor.checkpoint = seals[-1].number
            self._cursor.checkpoint_digest = seals[-1].digest()
            self._keep(self._cursor)

    def _pages(self, head: ChainHead) -> Iterator[Sequence[RecordedEvent]]:
        seq, _ = self._cursor.chains.get(head.node, (0, b""))
        while seq < head.seq:
            page = self._records.events(node=head.node, after_seq=seq, limit=PAGE)
            if not page:
                return
            yield page
            seq = page[-1].seq

    def _count_gap(self, node: str, seq: int) -> None:
        """Retention may have dropped what a target that was away for so long never got."""
        before, _ = self._cursor.chains.get(node, (0, b""))
        self.lost += seq - before - 1

    def _write(self, lines: Sequence[CopiedLine]) -> None:
        self.lost += self._sink.write(lines)
        self.lines += len(lines)


def _event_line(recorded: RecordedEvent) -> CopiedLine:
    event = recorded.event
    return CopiedLine(
        text=encode_line(EventLine(recorded)),
        time_us=event.time_us,
        name=event.action.value,
        good=event.outcome is Outcome.SUCCESS,
    )


def _checkpoint_line(checkpoint: Checkpoint) -> CopiedLine:
    return CopiedLine(
        text=encode_line(CheckpointLine(checkpoint)),
        time_us=checkpoint.made_us,
        name="checkpoint",
        good=True,
    )
