"""The audit trail as an auditor takes it: from the store, or from an exported file.

The export is JSON lines: a head, all checkpoints, the stubs of what retention dropped, all
events node after node, and a last line with their numbers, so that a file cut short is
known as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from certctl.authority.verify import Broken, Keys, Proof, verify
from certctl.domain.audit import RecordedEvent
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.retention import AuditStub
from certctl.store import SqlRecords

PAGE = 1_000


class _Head(msgspec.Struct, frozen=True, tag="head", tag_field="kind"):
    version: int


class _Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint", tag_field="kind"):
    checkpoint: Checkpoint


class _Stub(msgspec.Struct, frozen=True, tag="stub", tag_field="kind"):
    stub: AuditStub


class _Event(msgspec.Struct, frozen=True, tag="event", tag_field="kind"):
    event: RecordedEvent


class _End(msgspec.Struct, frozen=True, tag="end", tag_field="kind"):
    checkpoints: int
    events: int


_decoder = msgspec.json.Decoder(_Head | _Checkpoint | _Stub | _Event | _End)
_encoder = msgspec.json.Encoder()


def verify_store(
    records: SqlRecords,
    *,
    keys: Keys,
    kept: Sequence[Checkpoint] = (),
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
                kept=kept,
                stubs=stubs,
            )
        except Broken:
            if records.stubs() == stubs:
                raise
            # Retention has dropped events between two looks: look again.


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
    file.write(_encoder.encode(_Head(1)) + b"\n")
    for checkpoint in stored_checkpoints(records):
        file.write(_encoder.encode(_Checkpoint(checkpoint)) + b"\n")
        checkpoints += 1
    stubs = records.stubs()
    for stub in stubs:
        file.write(_encoder.encode(_Stub(stub)) + b"\n")
    for recorded in stored_events(records):
        file.write(_encoder.encode(_Event(recorded)) + b"\n")
        events += 1
    if records.stubs() != stubs:
        raise Broken(where="retention", what="dropped events during the export; export again")
    file.write(_encoder.encode(_End(checkpoints, events)) + b"\n")
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
    if not isinstance(next(lines, None), _Head):
        raise Broken(where=f"{path} line 1", what="is not the head of an audit export")
    checkpoints: list[Checkpoint] = []
    stubs: list[AuditStub] = []
    first: object = None
    for first in lines:
        if isinstance(first, _Checkpoint):
            checkpoints.append(first.checkpoint)
        elif isinstance(first, _Stub):
            stubs.append(first.stub)
        else:
            break
    return checkpoints, stubs, _exported_events(path, first, lines, len(checkpoints))


def _exported_events(
    path: Path, first: object, lines: Iterator[object], checkpoints: int
) -> Iterator[RecordedEvent]:
    events = 0
    for line in _chain(first, lines):
        if isinstance(line, _Event):
            events += 1
            yield line.event
            continue
        if line != _End(checkpoints, events):
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
                yield _decoder.decode(line)
            except msgspec.MsgspecError as err:
                raise Broken(where=f"{path} line {number}", what=f"cannot be read: {err}") from err


def kept_checkpoints(path: Path) -> list[Checkpoint]:
    """Checkpoints of a copy kept elsewhere (``AUDIT_COPY``): other lines are skipped.

    Raises:
        Broken: a line is damaged.
    """
    return [line.checkpoint for line in _lines(path) if isinstance(line, _Checkpoint)]
