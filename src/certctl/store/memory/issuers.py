"""Issuers of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.ports import DuplicateKey
from certctl.domain.stored_issuers import IssuerState, LastTrial, StoredIssuer
from certctl.store.errors import CaMismatch, CommandRefused
from certctl.store.memory.base import DIGEST_OCTETS, Reads, Writes
from certctl.store.memory.tables import Tables


class IssuerReads(Reads):
    """``ports.reads.IssuerReads``."""

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        return _rows(self._now())

    def stored_issuers_stamp(self) -> tuple[int, int]:
        rows = _rows(self._now())
        return len(rows), sum(row.version for row in rows)

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        return _unexpired(self._now(), issuer_id, now_us, most)

    def issuer_trials(self) -> Mapping[str, LastTrial]:
        return dict(self._now().trials)


class IssuerWrites(Writes):
    """``ports.writes.IssuerWrites``."""

    def stored_issuers(self) -> Sequence[StoredIssuer]:
        return _rows(self._open())

    def sealed_issuers(self) -> Mapping[str, bytes]:
        rows = self._open().issuers.values()
        return {row.id: sealed for row, sealed in rows if row.state is not IssuerState.DELETED}

    def put_issuer(self, row: StoredIssuer, sealed: bytes) -> None:
        rows = self._open().issuers
        held = rows.get(row.id)
        if held and held[0].version >= row.version:
            raise self._failed(DuplicateKey("issuers.version"))
        if (row.state is IssuerState.DELETED) != (not sealed):
            raise self._failed(CommandRefused("issuers.sealed"))
        rows[row.id] = row, sealed

    def unexpired_number(self, issuer_id: str, now_us: int, most: int) -> int | None:
        return _unexpired(self._open(), issuer_id, now_us, most)

    def note_trial(self, trial: LastTrial) -> None:
        self._open().trials[trial.issuer_id] = trial

    def ca_fingerprint(self, issuer_id: str) -> bytes | None:
        return self._open().ca.get(issuer_id)

    def bind_ca(self, issuer_id: str, fingerprint: bytes) -> None:
        if len(fingerprint) != DIGEST_OCTETS:
            raise self._failed(CommandRefused("ca.fingerprint"))
        bound = self._open().ca.setdefault(issuer_id, fingerprint)
        if bound != fingerprint:
            raise CaMismatch(issuer_id, recorded=bound, presented=fingerprint)


def _rows(tables: Tables) -> Sequence[StoredIssuer]:
    return [tables.issuers[key][0] for key in sorted(tables.issuers)]


def _unexpired(tables: Tables, issuer_id: str, now_us: int, most: int) -> int | None:
    def number(rows: Iterable[CertificateRecord]) -> int:
        return sum(
            each.issuer_id == issuer_id
            and each.not_after_us >= now_us
            and each.source is not CertificateSource.INTERNAL
            for each in rows
        )

    every = sorted(tables.certificates.values(), key=lambda each: each.id, reverse=True)
    own = [each for each in every if each.issuer_id == issuer_id]
    alive = [each for each in every if each.not_after_us >= now_us]
    if len(own) <= most or number(own[:most]):
        return number(own[:most])
    if len(alive) <= most or number(alive[:most]):
        return number(alive)
    return None
