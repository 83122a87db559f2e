"""What retention looks at, and what it drops."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from certctl.domain.audit import RecordedEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.crl_partitions import listed_us
from certctl.domain.retention import AuditStub, may_go
from certctl.store.errors import CommandRefused
from certctl.store.memory.base import Reads, Writes
from certctl.store.memory.tables import Tables
from certctl.store.rows import serial_octets


class RetentionReads(Reads):
    """``ports.reads.RetentionReads``."""

    def stubs(self) -> Sequence[AuditStub]:
        rows = self._now().stubs
        return [rows[key] for key in sorted(rows)]

    def last_stub(self, node: str) -> AuditStub | None:
        return _last_stub(self._now(), node)

    def expired_certificates(
        self, before_us: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        tables = self._now()
        rows = tables.certificates
        found = [
            key for key in sorted(rows) if key > after and _may_go(rows[key], before_us, tables)
        ]
        return found[:limit]


class RetentionWrites(Writes):
    """``ports.writes.RetentionWrites``."""

    def checkpoint(self, number: int) -> Checkpoint | None:
        return self._open().checkpoints.get(number)

    def last_stub(self, node: str) -> AuditStub | None:
        return _last_stub(self._open(), node)

    def events_between(self, node: str, first: int, last: int) -> Sequence[RecordedEvent]:
        rows = self._open().events
        wanted = ((node, seq) for seq in range(first, last + 1))
        return [rows[key] for key in wanted if key in rows]

    def drop_segment(self, stub: AuditStub) -> None:
        tables = self._open()
        before = _last_stub(tables, stub.node)
        end = tables.events.get((stub.node, stub.last_seq))
        begins = before.last_seq + 1 if before else 1
        if end is None or end.digest != stub.digest or stub.first_seq != begins:
            raise self._failed(CommandRefused("audit_stubs"))
        tables.stubs[stub.node, stub.last_seq] = stub
        for seq in range(stub.first_seq, stub.last_seq + 1):
            tables.events.pop((stub.node, seq), None)

    def drop_certificates(self, ids: Collection[str], before_us: int) -> int:
        tables = self._open()
        rows = tables.certificates
        found = [each for each in ids if each in rows and _may_go(rows[each], before_us, tables)]
        for each in found:
            record = rows.pop(each)
            del tables.serials[record.issuer_id, serial_octets(record.serial)]
            for key, (certificate_id, _) in list(tables.repetitions.items()):
                if certificate_id == each:
                    del tables.repetitions[key]
            tables.released.pop(each, None)
            for request in list(tables.requests.values()):
                if request.certificate_id == each:
                    tables.drop_request(request.id)
        return len(found)


def _last_stub(tables: Tables, node: str) -> AuditStub | None:
    of_node = [key for key in tables.stubs if key[0] == node]
    return tables.stubs[max(of_node)] if of_node else None


def _may_go(record: CertificateRecord, before_us: int, tables: Tables) -> bool:
    scopes = {scope: crl.listed_us for scope, crl in tables.crls.items()}
    listed = listed_us(scopes, tables.crl_partitions, record.issuer_id, record.crl_partition)
    return may_go(record, before_us=before_us, listed_us=listed)
