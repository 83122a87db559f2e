"""The status of certificates as others are told it: standings and CRLs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from certctl.domain.certificates import CertificateRecord, CertificateStatus
from certctl.domain.crl import (
    RECENT_US,
    REMOVE_FROM_CRL,
    CrlHead,
    CrlRecord,
    RevokedBlock,
    RevokedRow,
    is_listed,
    pack,
)
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.ocsp import CertificateStanding, Revoked, Standing
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store.memory.base import Reads, Writes
from certctl.store.memory.tables import Tables
from certctl.store.queries.crl_partitions import NEWEST
from certctl.store.rows import serial_octets


class StatusReads(Reads):
    """``ports.status.StatusReads``."""

    def standings(
        self, issuer_id: str, serials: Collection[str]
    ) -> Mapping[str, CertificateStanding]:
        wanted = set(serials)
        return {
            each.serial: _standing(each)
            for each in self._now().certificates.values()
            if each.issuer_id == issuer_id and each.serial in wanted
        }

    def revocation_stamp(self, issuer_id: str, *, partition: int | None = None) -> str:
        revoked = _revoked(self._now(), issuer_id, partition)
        times = [each.revoked_us or 0 for each in revoked]
        if not times:
            return "0"
        recent = sum(time > max(times) - RECENT_US for time in times)
        held = sum(each.revocation_reason == RevocationReason.CERTIFICATE_HOLD for each in revoked)
        return f"{max(times)}:{recent}:{held}"

    def revoked(
        self, issuer_id: str, *, listed_us: int, partition: int | None = None
    ) -> Iterator[RevokedBlock]:
        yield pack(
            (
                serial_octets(each.serial),
                each.revoked_us or 0,
                each.revocation_reason or RevocationReason.UNSPECIFIED.value,
            )
            for each in _revoked(self._now(), issuer_id, partition)
            if is_listed(each.not_after_us, each.revoked_us or 0, listed_us)
        )

    def revocation_changes(self, issuer_id: str, *, since_us: int) -> Iterator[RevokedRow]:
        tables, from_us = self._now(), since_us - RECENT_US
        for each in _revoked(tables, issuer_id):
            if (each.revoked_us or 0) >= from_us:
                reason = each.revocation_reason or RevocationReason.UNSPECIFIED.value
                yield serial_octets(each.serial), each.revoked_us or 0, reason
        for certificate_id, released_us in tables.released.items():
            record = tables.certificates[certificate_id]
            if (
                record.issuer_id == issuer_id
                and released_us >= from_us
                and record.status is CertificateStatus.VALID
            ):
                yield serial_octets(record.serial), released_us, REMOVE_FROM_CRL

    def crl(self, scope: str) -> CrlRecord | None:
        return self._now().crls.get(scope)

    def crl_heads(self) -> Mapping[str, CrlHead]:
        return {
            scope: CrlHead(
                number=crl.number,
                digest=crl.digest,
                this_update_us=crl.this_update_us,
                next_update_us=crl.next_update_us,
                size=crl.size,
            )
            for scope, crl in self._now().crls.items()
        }

    def crl_partitions(self) -> Sequence[CrlPartition]:
        return [row for _, row in sorted(self._now().crl_partitions.items())]

    def crl_part(self, scope: str, number: int, part: int) -> bytes | None:
        return self._now().crl_parts.get((scope, number, part))


class StatusWrites(Writes):
    """``ports.status.StatusWrites``."""

    def crl(self, scope: str) -> CrlRecord | None:
        return self._open().crls.get(scope)

    def crl_partitions(self) -> Sequence[CrlPartition]:
        return [row for _, row in sorted(self._open().crl_partitions.items())]

    def add_crl_partition(self, partition: CrlPartition) -> None:
        rows = self._open().crl_partitions
        if partition.number in rows:
            raise self._failed(DuplicateKey(f"CRL partition {partition.number}"))
        rows[partition.number] = partition

    def change_crl_partition(self, partition: CrlPartition) -> None:
        rows = self._open().crl_partitions
        row = rows[partition.number]
        rows[partition.number] = replace(
            row, until_us=partition.until_us, ended_us=partition.ended_us
        )

    def last_expiry_us(self) -> int:
        records = self._open().certificates.values()
        return max((each.not_after_us for each in records), default=0)

    def lately_filled(self) -> Mapping[int, int]:
        found: dict[int, int] = {}
        for _, record in sorted(self._open().certificates.items())[-NEWEST:]:
            if record.crl_partition is not None:
                known = found.get(record.crl_partition, 0)
                found[record.crl_partition] = max(known, record.not_after_us)
        return found

    def partition_listed_us(self, number: int) -> int | None:
        crls = self._open().crls
        of_partition = (crl for scope, crl in crls.items() if scope.endswith(f"/{number}"))
        return min((each.listed_us for each in of_partition), default=None)

    def put_crl_part(self, scope: str, number: int, part: int, octets: bytes) -> None:
        self._open().crl_parts[scope, number, part] = octets

    def crl_parts(self, scope: str, number: int, parts: int) -> Sequence[bytes]:
        rows = self._open().crl_parts
        return [
            octets
            for (of_scope, of, part), octets in sorted(rows.items())
            if of_scope == scope and of == number and part < parts
        ]

    def publish_crl(self, crl: CrlRecord) -> None:
        rows = self._open().crls
        if crl.scope in rows and rows[crl.scope].number >= crl.number:
            raise self._failed(DuplicateKey(f"CRL {crl.number} of {crl.scope}"))
        rows[crl.scope] = crl

    def drop_crl_parts(self, scope: str, below: int, most: int) -> int:
        rows = self._open().crl_parts
        old = [key for key in sorted(rows) if key[0] == scope and key[1] < below][:most]
        for key in old:
            del rows[key]
        return len(old)


def _revoked(
    tables: Tables, issuer_id: str, partition: int | None = None
) -> list[CertificateRecord]:
    return [
        each
        for each in tables.certificates.values()
        if each.issuer_id == issuer_id
        and each.status is CertificateStatus.REVOKED
        and partition in (None, each.crl_partition)
    ]


def _standing(record: CertificateRecord) -> CertificateStanding:
    if record.status is not CertificateStatus.REVOKED:
        return Standing.GOOD
    reason = RevocationReason(record.revocation_reason or RevocationReason.UNSPECIFIED)
    return Revoked(record.revoked_us or 0, reason)
