"""Certificates, their keys and repetitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.engine import Connection

from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
)
from certctl.domain.inventory import CertificateFilter, CertificateSummary, InventoryPage
from certctl.domain.revocation import RevocationReason
from certctl.store.commands import (
    certificates,
    repetitions,
    revocation,
)
from certctl.store.commands.key_locks import hold_keys
from certctl.store.queries import certificates as certificate_queries
from certctl.store.queries import inventory
from certctl.store.queries import keys as key_queries
from certctl.store.queries import repetitions as repetition_queries
from certctl.store.sql.base import Reads, Writes


class CertificateReads(Reads):
    """``ports.reads.CertificateReads``."""

    def state_of(self, key: CertificateKey) -> CertificateState | None:
        return self._ask(certificate_queries.states, (key,)).get(key.fingerprint)

    def newest_valid(
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        return self._ask(certificate_queries.newest_valid, profile, subject_der, san_der, now_us)

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._ask(certificate_queries.certificate, certificate_id)

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        return self._ask(certificate_queries.with_serial, serial)

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        return self._ask(certificate_queries.page, after, limit)

    def search(
        self,
        wanted: CertificateFilter,
        now_us: int,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> InventoryPage:
        def page(connection: Connection) -> InventoryPage:
            return inventory.search(
                connection, wanted, now_us, limit=limit, cursor=cursor, oldest_first=oldest_first
            )

        return self._ask(page)

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        return self._ask(inventory.summaries, ids)

    def released_us(self, certificate_id: str) -> int | None:
        return self._ask(certificate_queries.released_us, certificate_id)

    def renewals_of(self, certificate_id: str) -> Sequence[CertificateSummary]:
        return self._ask(inventory.renewals_of, certificate_id)


class CertificateWrites(Writes):
    """``ports.writes.CertificateWrites``."""

    __slots__ = ()

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return self._run(certificate_queries.states, keys)

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        return self._run(repetition_queries.repeated_certificates, keys, now_us)

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        self._run(hold_keys, keys)
        return self._run(key_queries.key_facts, keys, now_us)

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self.certificates_by_id((certificate_id,)).get(certificate_id)

    def has_serial(self, issuer_id: str, serial: str) -> bool:
        return self._run(certificate_queries.has_serial, issuer_id, serial)

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        return self._run(certificate_queries.our_records, ids)

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None:
        self._run(certificates.record_certificates, records)

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        return self._run(inventory.summaries_of_ours, ids)

    def serials_on_record(self, serials: Collection[str]) -> Mapping[tuple[str, str], bytes]:
        return self._run(certificate_queries.serials_on_record, serials)

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        self._run(revocation.revoke_certificates, ids, revoked_us, reason)

    def release_certificates(self, ids: Collection[str], released_us: int) -> None:
        self._run(revocation.release_certificates, ids, released_us)

    def note_compromised_keys(self, keys: Collection[bytes], now_us: int) -> None:
        self._run(revocation.note_compromised_keys, keys, now_us)

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        self._run(repetitions.record_repetitions, rows, now_us)
