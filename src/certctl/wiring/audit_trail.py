"""The audit trail as an auditor takes it: from the store, or from an exported file.

The export is JSON lines: a head, all checkpoints, the stubs of what retention dropped, all
events node after node, and a last line with their numbers, so that a file cut short is
known as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from certctl.authority.verify import Broken, Keys, Place, Proof, verify
from certctl.domain.audit import RecordedEvent
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.retention import AuditStub
from certctl.store import SqlRecords
from certctl.wire.audit_lines import (
    CheckpointLine,
    EndLine,
    EventLine,
    HeadLine,
    StubLine,
    decode_line,
    encode_line,
    find_line,
)

PAGE = 1_000

_TELL_EVERY = 1_000
"""Events between two words on how far it is."""


def verify_store(
    records: SqlRecords,
    *,
    keys: Keys,
    kept: Copy | None = None,
    told: Callable[[Iterator[RecordedEvent]], Iterator[RecordedEvent]] = iter,
) -> Proof:
    """Verify the trail of a store, also while its server writes.

    Raises:
        Broken: names the first checkpoint, stub or event that does not fit.
    """
    while True:
        stubs = records.stubs()
        try:
            return verify(
                stored_checkpoints(records),
                told(stored_events(records)),
                keys=keys,
                kept=kept.checkpoints if kept else (),
                tail=kept.tail if kept else (),
                stubs=stubs,
            )
        except Broken:
            if records.stubs() == stubs:
                raise
            # Retention has dropped events between two looks: look again.


def told_to(
    stage: Callable[[str, int, int], None], events: Iterable[RecordedEvent], total: int
) -> Iterator[RecordedEvent]:
    """The same events, and how far they have come."""
    for number, event in enumerate(events, 1):
        if number % _TELL_EVERY == 0:
            stage("checking the audit trail", number, max(number, total))
        yield event


def stored_checkpoints(records: SqlRecords) -> Iterator[Checkpoint]:
    """All checkpoints in their order.

    Raises:
        Broken: a row is not what was ever written.
    """
    after = 0
    while True:
        try:
            page = records.checkpoints(after=after, limit=PAGE)
        except (ValueError, TypeError, msgspec.MsgspecError) as err:
            where = f"a checkpoint after {after}"
            raise Broken(where=where, what="cannot be read: it was changed") from err
        if not page:
            return
        yield from page
        after = page[-1].number


def stored_events(records: SqlRecords) -> Iterator[RecordedEvent]:
    """All events, one node after the other, each in order of its seq.

    Raises:
        Broken: a row is not what was ever written.
    """
    for head in records.chain_heads():
        after = 0
        while page := _events(records, head.node, after):
            yield from page
            after = page[-1].seq


def _events(records: SqlRecords, node: str, after: int) -> list[RecordedEvent]:
    try:
        return list(records.events(node=node, after_seq=after, limit=PAGE))
    except (ValueError, TypeError, msgspec.MsgspecError):
        pass
    # Somewhere in this page: one by one, so that the first bad one is named.
    found: list[RecordedEvent] = []
    for _ in range(PAGE):
        try:
            page = records.events(node=node, after_seq=after, limit=1)
        except (ValueError, TypeError, msgspec.MsgspecError) as err:
            if found:
                return found
            where = f"event {node}/{after + 1}"
            raise Broken(where=where, what="cannot be read: it was changed") from err
        if not page:
            break
        found += page
        after = page[0].seq
    return found


def export(records: SqlRecords, file: IO[bytes]) -> tuple[int, int]:
    """Write everything; gives the numbers of checkpoints and events.

    Checkpoints come first: events that arrive meanwhile are only not sealed yet.

    Raises:
        Broken: a row is not what was ever written, or retention dropped some meanwhile.
    """
    checkpoints = events = 0
    file.write(encode_line(HeadLine(1)))
    for checkpoint in stored_checkpoints(records):
        file.write(encode_line(CheckpointLine(checkpoint)))
        checkpoints += 1
    stubs = records.stubs()
    for stub in stubs:
        file.write(encode_line(StubLine(stub)))
    for recorded in stored_events(records):
        file.write(encode_line(EventLine(recorded)))
        events += 1
    if records.stubs() != stubs:
        raise Broken(where="retention", what="dropped events during the export; export again")
    file.write(encode_line(EndLine(checkpoints, events)))
    return checkpoints, events


def read_export(
    path: Path,
) -> tuple[list[Checkpoint], list[AuditStub], Iterator[RecordedEvent]]:
    """Checkpoints, stubs and events of an exported file; events are read as they are asked.

    Raises:
        Broken: not such a file, or a line that was changed; the iterator, too, when the
            file ends too early.
    """
    lines = _lines(path)
    if not isinstance(next(lines, None), HeadLine):
        raise Broken(where=f"{path} line 1", what="is not the head of an audit export")
    checkpoints: list[Checkpoint] = []
    stubs: list[AuditStub] = []
    first: object = None
    for first in lines:
        if isinstance(first, CheckpointLine):
            checkpoints.append(first.checkpoint)
        elif isinstance(first, StubLine):
            stubs.append(first.stub)
        else:
            break
    return checkpoints, stubs, _exported_events(path, first, lines, len(checkpoints))


def _exported_events(
    path: Path, first: object, lines: Iterator[object], checkpoints: int
) -> Iterator[RecordedEvent]:
    events = 0
    for line in _chain(first, lines):
        if isinstance(line, EventLine):
            events += 1
            yield line.event
            continue
        if line != EndLine(checkpoints, events):
            break
        if next(lines, None) is not None:
            raise Broken(where=f"{path}", what="goes on after its last line")
        return
    raise Broken(where=f"{path}", what=f"is cut short, or lines are missing after {events} events")


def _chain(first: object, rest: Iterable[object]) -> Iterator[object]:
    if first is not None:
        yield first
    yield from rest


def _lines(path: Path) -> Iterator[object]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode_line(line)
            except ValueError as err:
                raise Broken(where=f"{path} line {number}", what=f"cannot be read: {err}") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a copy kept elsewhere (``AUDIT_COPY``) proves.

    Attributes:
        checkpoints: all of them; the store must have the same.
        tail: (node, seq, digest) of the events that none of them seals.
    """

    checkpoints: list[Checkpoint]
    tail: set[Place]


def read_copy(paths: Sequence[Path]) -> Copy:
    """Read a copy, or an export; its files from oldest to newest. Other lines are skipped.

    Raises:
        Broken: a line is damaged.
        OSError: a file cannot be read.
    """
    copy = Copy(checkpoints=[], tail=set())
    for path in paths:
        with path.open("rb") as file:
            for number, octets in enumerate(file, 1):
                try:
                    line = find_line(octets)
                except ValueError as err:
                    where = f"{path} line {number}"
                    raise Broken(where=where, what=f"cannot be read: {err}") from err
                if isinstance(line, CheckpointLine):
                    copy.checkpoints.append(line.checkpoint)
                    _drop_sealed(copy.tail, line.checkpoint)
                elif isinstance(line, EventLine):
                    event = line.event
                    copy.tail.add((event.node, event.seq, event.digest))
    # An export has its seals before its events.
    for checkpoint in copy.checkpoints[-1:]:
        _drop_sealed(copy.tail, checkpoint)
    return copy


def _drop_sealed(tail: set[Place], checkpoint: Checkpoint) -> None:
    sealed = {head.node: head.seq for head in checkpoint.heads}
    tail.difference_update([each for each in tail if each[1] <= sealed.get(each[0], 0)])
