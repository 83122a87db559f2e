"""Rows as they stand. Beside the ports: what the twin in memory holds are no rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.inspection import (
    CertificateRow,
    EventRow,
    NameRow,
    ReleasedRow,
    RepetitionRow,
    SerialRow,
)
from certctl.store.queries import identity, inspection
from certctl.store.sql.base import Reads


class InspectionReads(Reads):
    """Pages in the order of their keys, each a statement of its own."""

    def certificate_rows(self, *, after: str, limit: int) -> Sequence[CertificateRow]:
        return self._ask(inspection.certificate_rows, after, limit)

    def event_rows(self, node: str, *, after_seq: int, limit: int) -> Sequence[EventRow]:
        return self._ask(inspection.event_rows, node, after_seq, limit)

    def repetition_rows(self, *, after: bytes, limit: int) -> Sequence[RepetitionRow]:
        return self._ask(inspection.repetition_rows, after, limit)

    def name_rows(self, *, after: tuple[bytes, str], limit: int) -> Sequence[NameRow]:
        return self._ask(inspection.name_rows, after, limit)

    def released_rows(self, *, after: str, limit: int) -> Sequence[ReleasedRow]:
        return self._ask(inspection.released_rows, after, limit)

    def standing_of(self, issuer_id: str, serial: bytes) -> SerialRow | None:
        return self._ask(inspection.standing_of, issuer_id, serial)

    def compromised(self, keys: Collection[bytes]) -> Collection[bytes]:
        return self._ask(inspection.compromised, keys)

    def on_record(self, ids: Collection[str]) -> Collection[str]:
        return self._ask(inspection.on_record, ids)

    def row_total(self) -> int:
        return self._ask(inspection.row_total)

    def ca_fingerprints(self) -> Mapping[str, bytes]:
        """SHA-256 of the CA certificate by issuer id."""
        return self._ask(identity.ca_fingerprints)
