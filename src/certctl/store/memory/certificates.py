"""Certificates, their keys and repetitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateSource,
    CertificateState,
    CertificateStatus,
    KeyFacts,
    KeyUse,
)
from certctl.domain.inventory import CertificateFilter, CertificateSummary, InventoryPage
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store import cursors
from certctl.store.errors import CommandRefused
from certctl.store.list_order import Place, cut
from certctl.store.memory.base import DIGEST_OCTETS, Reads, Writes
from certctl.store.memory.tables import is_valid, states
from certctl.store.names import is_wanted
from certctl.store.rows import serial_octets, state_of, summary_of
from certctl.wire.identity import comparable_names


class CertificateReads(Reads):
    """``ports.reads.CertificateReads``."""

    def state_of(self, key: CertificateKey) -> CertificateState | None:
        return states(self._now(), (key,)).get(key.fingerprint)

    def newest_valid(
        self, profile: str, subject_der: bytes, san_der: bytes, now_us: int
    ) -> CertificateState | None:
        wanted = comparable_names(subject_der, san_der)
        found = [
            record
            for record in self._now().certificates.values()
            if record.profile == profile
            and comparable_names(record.subject_der, record.san_der) == wanted
            and is_valid(record, now_us)
        ]
        return state_of(max(found, key=lambda record: record.id)) if found else None

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._now().certificates.get(certificate_id)

    def with_serial(self, serial: str) -> Sequence[CertificateRecord]:
        try:
            octets = serial_octets(serial)
        except ValueError:
            return []
        tables = self._now()
        found = [each for (_, number), each in sorted(tables.serials.items()) if number == octets]
        return [tables.certificates[each] for each in found]

    def certificates(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[CertificateRecord]:
        rows = self._now().certificates
        return [rows[key] for key in sorted(rows) if after is None or key > after][:limit]

    def search(
        self,
        wanted: CertificateFilter,
        now_us: int,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> InventoryPage:
        after = cursors.read(cursor, wanted, oldest_first=oldest_first) if cursor else None
        every = map(summary_of, self._now().certificates.values())
        rows, last = cut(
            [each for each in every if is_wanted(wanted, each, now_us)],
            wanted,
            after=Place(*after) if after else None,
            limit=limit,
            oldest_first=oldest_first,
        )
        return InventoryPage(
            rows=tuple(rows),
            cursor=cursors.write(last, wanted, oldest_first=oldest_first) if last else None,
        )

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        rows = self._now().certificates
        return {each: summary_of(rows[each]) for each in ids if each in rows}

    def released_us(self, certificate_id: str) -> int | None:
        return self._now().released.get(certificate_id)

    def renewals_of(self, certificate_id: str) -> Sequence[CertificateSummary]:
        rows = self._now().certificates
        return [summary_of(rows[key]) for key in sorted(rows) if rows[key].renews == certificate_id]


class CertificateWrites(Writes):
    """``ports.writes.CertificateWrites``."""

    def certificate_states(
        self, keys: Collection[CertificateKey]
    ) -> Mapping[bytes, CertificateState]:
        return states(self._open(), keys)

    def repeated_certificates(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, bytes]:
        tables = self._open()
        live = {key: tables.live(key, now_us) for key in keys}
        return {key: record.der for key, record in live.items() if record is not None}

    def key_facts(self, keys: Collection[bytes], now_us: int) -> Mapping[bytes, KeyFacts]:
        tables = self._open()
        found = {}
        for key in set(keys):
            uses = tuple(
                KeyUse(record.id, record.subject_der, record.san_der)
                for record in tables.certificates.values()
                if record.spki_sha256 == key
                and record.not_after_us > now_us
                and record.source is not CertificateSource.ORPHAN
            )
            if uses or key in tables.compromised:
                found[key] = KeyFacts(compromised=key in tables.compromised, uses=uses)
        return found

    def certificate(self, certificate_id: str) -> CertificateRecord | None:
        return self._open().certificates.get(certificate_id)

    def has_serial(self, issuer_id: str, serial: str) -> bool:
        return (issuer_id, serial_octets(serial)) in self._open().serials

    def certificates_by_id(self, ids: Collection[str]) -> Mapping[str, CertificateRecord]:
        rows = self._open().certificates
        return {each: rows[each] for each in ids if each in rows}

    def summaries(self, ids: Collection[str]) -> Mapping[str, CertificateSummary]:
        rows = self._open().certificates
        return {each: summary_of(rows[each]) for each in ids if each in rows}

    def serials_on_record(self, serials: Collection[str]) -> Mapping[tuple[str, str], bytes]:
        tables = self._open()
        wanted = {each.lstrip("0") or "0" for each in serials}
        return {
            (issuer_id, tables.certificates[each].serial): tables.certificates[each].fingerprint
            for (issuer_id, _), each in tables.serials.items()
            if tables.certificates[each].serial in wanted
        }

    def record_certificates(self, records: Sequence[CertificateRecord]) -> None:
        tables = self._open()
        for record in records:
            serial = (record.issuer_id, self._serial(record))
            if len(record.fingerprint) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("certificates.fingerprint"))
            if record.id in tables.certificates or serial in tables.serials:
                raise self._failed(DuplicateKey("certificates"))
            tables.certificates[record.id] = record
            tables.serials[serial] = record.id

    def revoke_certificates(
        self, ids: Collection[str], revoked_us: int, reason: RevocationReason
    ) -> None:
        rows = self._open().certificates
        for each in ids:
            if each in rows:
                rows[each] = replace(
                    rows[each],
                    status=CertificateStatus.REVOKED,
                    revoked_us=revoked_us,
                    revocation_reason=reason.value,
                )

    def release_certificates(self, ids: Collection[str], released_us: int) -> None:
        tables = self._open()
        for each in ids:
            if each not in tables.certificates:
                raise self._failed(CommandRefused("released_holds.certificate_id"))
            tables.released[each] = released_us
            tables.certificates[each] = replace(
                tables.certificates[each],
                status=CertificateStatus.VALID,
                revoked_us=None,
                revocation_reason=None,
            )

    def note_compromised_keys(self, keys: Collection[bytes], now_us: int) -> None:
        for key in keys:
            if len(key) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("compromised_keys.spki_sha256"))
            self._open().compromised.setdefault(key, now_us)

    def record_repetitions(self, rows: Sequence[tuple[bytes, str, int]], now_us: int) -> None:
        tables = self._open()
        for key, certificate_id, expires_us in rows:
            if tables.live(key, now_us) is not None:
                raise self._failed(DuplicateKey("repetitions.key"))
            if certificate_id not in tables.certificates:
                raise self._failed(CommandRefused("repetitions.certificate_id"))
            tables.repetitions[key] = (certificate_id, expires_us)

    def _serial(self, record: CertificateRecord) -> bytes:
        try:
            return serial_octets(record.serial)
        except ValueError as err:
            self._failure = err
            raise
