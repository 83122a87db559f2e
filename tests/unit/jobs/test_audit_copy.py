"""The copy of the audit trail: everything at least once, in order, wherever it goes."""

from __future__ import annotations

import re
import resource
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from certctl.domain.audit import Outcome
from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.jobs.audit_copy import AuditCopier, CopiedLine, Cursor, Sink
from certctl.jobs.copy_file import FileSink
from certctl.jobs.copy_syslog import SyslogSink
from certctl.store import MemoryStore
from certctl.wire.audit_lines import CheckpointLine, EventLine, decode_line, find_line
from tests.contract.samples import NOW, event
from tests.harness.replacing import replace

RFC5424 = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) certctl - (\S+) - "
    rb"\xef\xbb\xbf(\{.*\})"
)


def never() -> bool:
    return False


def store(events: int, *, sealed: int = 0) -> MemoryStore:
    made = MemoryStore(node="one")
    with made.transaction() as transaction:
        transaction.append_events([event(seq) for seq in range(1, events + 1)])
        if sealed:
            transaction.append_checkpoint(seal(1, sealed))
    return made


def seal(number: int, seq: int) -> Checkpoint:
    head = ChainHead(node="one", seq=seq, digest=event(seq).digest)
    return Checkpoint(
        number=number, made_us=NOW, previous=bytes(32), heads=(head,), key_id="k", signature=b"s"
    )


def copier(records: MemoryStore, sink: Sink, cursor: Cursor | None = None) -> AuditCopier:
    return AuditCopier(records, sink, cursor or Cursor(), keep=lambda _: None)


def names(octets: bytes) -> list[str]:
    found = []
    for each in octets.splitlines():
        line = decode_line(each)
        if isinstance(line, EventLine):
            found.append(f"{line.event.node}/{line.event.seq}")
        elif isinstance(line, CheckpointLine):
            found.append(f"seal {line.checkpoint.number}")
    return found


# To a file.


def test_events_stand_before_their_seal_and_each_once(tmp_path: Path):
    records, cursor, path = store(3, sealed=2), Cursor(), tmp_path / "copy"
    copying = copier(records, FileSink(path), cursor)
    copying.step(never)
    copying.step(never)
    assert names(path.read_bytes()) == ["one/1", "one/2", "one/3", "seal 1"]
    with records.transaction() as transaction:
        transaction.append_events([event(4), event(1, node="two")])
        transaction.append_checkpoint(seal(2, 4))
    copier(records, FileSink(path), cursor).step(never)
    assert names(path.read_bytes())[4:] == ["one/4", "two/1", "seal 2"]
    assert path.stat().st_mode & 0o777 == 0o600
    line = decode_line(path.read_bytes().splitlines()[0])
    assert line == EventLine(event(1))


def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path):
    records, path = store(1), tmp_path / "copy"
    sink = FileSink(path)
    copying = copier(records, sink)
    copying.step(never)
    path.rename(tmp_path / "copy.1")
    with records.transaction() as transaction:
        transaction.append_events([event(2)])
    copying.step(never)
    assert names(path.read_bytes()) == ["one/2"]
    sink.reopen()
    with records.transaction() as transaction:
        transaction.append_events([event(3)])
    copying.step(never)
    assert names(path.read_bytes()) == ["one/2", "one/3"]


def test_half_a_line_is_taken_back_and_written_again(tmp_path: Path):
    path = tmp_path / "copy"
    copier(store(2), FileSink(path)).step(never)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    cursor = Cursor(chains={"one": (1, event(1).digest)})
    copier(store(2), FileSink(path), cursor).step(never)
    assert path.read_bytes() == whole


def test_a_target_that_refuses_passes_nothing_over(tmp_path: Path):
    kept: list[Cursor] = []
    path = tmp_path / "copy"
    path.mkdir()
    copying = AuditCopier(store(2), FileSink(path), Cursor(), keep=kept.append)
    with pytest.raises(IsADirectoryError):
        copying.step(never)
    assert kept == []
    path.rmdir()
    copying.step(never)
    assert names(path.read_bytes()) == ["one/1", "one/2"]


def test_a_full_disk_leaves_no_half_batch(tmp_path: Path):
    """The kernel's own limit for files stands in for the disk."""
    path = tmp_path / "copy"
    copier(store(1), FileSink(path)).step(never)
    before = path.read_bytes()
    cursor = Cursor(chains={"one": (1, event(1).digest)})
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, kept[1]))
    try:
        with pytest.raises(OSError):
            copier(store(2), FileSink(path), cursor).step(never)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert path.read_bytes() == before
    assert cursor.chains["one"][0] == 1
    copier(store(2), FileSink(path), cursor).step(never)
    assert names(path.read_bytes()) == ["one/1", "one/2"]


def test_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "copy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        copier(store(1), FileSink(tmp_path / "copy")).step(never)
    assert not (tmp_path / "elsewhere").exists()


# Where it stands.


def test_another_history_is_noticed():
    records = store(5, sealed=4)
    sink = _Nowhere()
    good = Cursor(
        chains={"one": (3, event(3).digest)}, checkpoint=1, checkpoint_digest=seal(1, 4).digest()
    )
    assert copier(records, sink, good).is_of_this_store()
    for bad in (
        replace(good, chains={"one": (3, bytes(32))}),
        replace(good, chains={"one": (9, event(9).digest)}),
        replace(good, checkpoint_digest=bytes(32)),
        replace(good, checkpoint=2),
    ):
        copying = copier(records, sink, bad)
        assert not copying.is_of_this_store()
        copying.begin_anew()
        copying.step(never)
        assert copying.lines == 6


def test_what_retention_dropped_uncopied_is_counted():
    records = MemoryStore(node="one")
    with records.transaction() as transaction:
        transaction.append_events([event(seq) for seq in (4, 5)])
    copying = copier(records, _Nowhere(), Cursor(chains={"one": (1, event(1).digest)}))
    copying.step(never)
    assert copying.lost == 2


class _Nowhere:
    def write(self, lines: Sequence[CopiedLine]) -> int:
        assert lines
        return 0

    def reopen(self) -> None:
        pass


# To syslog.


class Collector:
    """A syslog server of one transport, run in a thread until it is closed."""

    def __init__(self, kind: CopyKind, path: Path) -> None:
        self.messages: list[bytes] = []
        self.enough = threading.Semaphore(0)
        if kind is CopyKind.UNIX:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(path))
            self.target = CopyTarget(kind=kind, path=str(path))
        else:
            stream = kind is CopyKind.TCP
            self.socket = socket.socket(
                socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
            )
            self.socket.bind(("127.0.0.1", 0))
            if stream:
                self.socket.listen()
            self.target = CopyTarget(kind=kind, host="127.0.0.1", port=self.socket.getsockname()[1])
        run = self._accept if kind is CopyKind.TCP else self._receive
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.socket.close()

    def wait(self, number: int) -> list[bytes]:
        for _ in range(number):
            assert self.enough.acquire(timeout=20), self.messages
        return self.messages

    def _receive(self) -> None:
        while True:
            try:
                self._got(self.socket.recv(1 << 20))
            except OSError:
                return

    def _accept(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rb") as stream:
            while size := _digits(stream.read):
                self._got(stream.read(size))

    def _got(self, message: bytes) -> None:
        self.messages.append(message)
        self.enough.release()


def _digits(read: Callable[[int], bytes]) -> int:
    digits = b""
    while (octet := read(1)) not in (b" ", b""):
        digits += octet
    return int(digits or b"0")


@pytest.fixture(params=[CopyKind.UDP, CopyKind.TCP, CopyKind.UNIX])
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collector]:
    made = Collector(request.param, tmp_path / "log")
    yield made
    made.close()


def test_syslog_gets_every_event_in_the_form_of_its_rfc(collector: Collector):
    records = store(2, sealed=2)
    bad = event(3, outcome=Outcome.FAILURE, actor="line\nfeed <1>1 forged")
    with records.transaction() as transaction:
        transaction.append_events([bad])
    sink = SyslogSink(collector.target, host="nöde 1")
    copying = copier(records, sink)
    copying.step(never)
    messages = collector.wait(4)
    sink.reopen()
    assert copying.lost == 0
    read = [RFC5424.fullmatch(message) for message in messages]
    assert all(read), messages
    parts = [match.groups() for match in read if match]
    assert [part[0] for part in parts] == [b"110", b"110", b"108", b"110"]
    assert {part[2] for part in parts} == {b"nde1"}
    assert [part[3] for part in parts] == [b"est_simple_enroll_success"] * 3 + [b"checkpoint"]
    assert find_line(messages[2]) == EventLine(bad)
    assert b"\n" not in messages[2]


def test_what_fits_no_datagram_is_counted_and_passed(tmp_path: Path):
    collector = Collector(CopyKind.UDP, tmp_path)
    records = store(1)
    with records.transaction() as transaction:
        transaction.append_events([event(2, details={"long": "x" * 70_000}), event(3)])
    sink = SyslogSink(collector.target, host="h")
    copying = copier(records, sink)
    copying.step(never)
    assert len(collector.wait(2)) == 2
    assert copying.lost == 1
    sink.reopen()
    collector.close()


def test_a_collector_that_is_away_loses_nothing(tmp_path: Path):
    first = Collector(CopyKind.TCP, tmp_path)
    records, kept = store(2), Cursor()
    sink = SyslogSink(first.target, host="h")
    copying = copier(records, sink, kept)
    copying.step(never)
    first.wait(2)
    port = first.target.port
    sink.reopen()
    first.thread.join(20)
    first.close()
    with records.transaction() as transaction:
        transaction.append_events([event(3)])
    with pytest.raises(OSError):
        copying.step(never)
    assert kept.chains["one"][0] == 2

    listener = socket.create_server(("127.0.0.1", port))
    copied = threading.Thread(target=copying.step, args=(never,))
    copied.start()
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        found = find_line(stream.read(_digits(stream.read)))
    copied.join(20)
    sink.reopen()
    listener.close()
    assert found == EventLine(event(3))
    assert kept.chains["one"][0] == 3


def test_a_collector_that_closed_gets_no_batch_into_nothing():
    listener = socket.create_server(("127.0.0.1", 0))
    target = CopyTarget(kind=CopyKind.TCP, host="127.0.0.1", port=listener.getsockname()[1])
    records = store(1)
    sink = SyslogSink(target, host="h")
    copying = copier(records, sink)
    copying.step(never)
    connection, _ = listener.accept()
    connection.recv(1 << 16)
    # The end of the stream is in the sink's socket when close returns: it is loopback.
    connection.close()
    with records.transaction() as transaction:
        transaction.append_events([event(2)])
    copying.step(never)
    again, _ = listener.accept()
    with again, again.makefile("rb") as stream:
        assert find_line(stream.read(_digits(stream.read))) == EventLine(event(2))
    sink.reopen()
    listener.close()
