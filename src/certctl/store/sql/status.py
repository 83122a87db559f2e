"""The status of certificates as others are told it: standings and CRLs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from certctl.domain.crl import CrlHead, CrlRecord, RevokedBlock, RevokedRow
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.ocsp import CertificateStanding
from certctl.store.commands import crl_partitions as partition_commands
from certctl.store.commands import crls
from certctl.store.queries import crl_entries, crl_partitions
from certctl.store.queries import crls as crl_queries
from certctl.store.queries import status as status_queries
from certctl.store.sql.base import Reads, Writes


class StatusReads(Reads):
    """``ports.status.StatusReads``."""

    def standings(
        self, issuer_id: str, serials: Collection[str]
    ) -> Mapping[str, CertificateStanding]:
        return self._ask(status_queries.standings, issuer_id, serials)

    def revocation_stamp(self, issuer_id: str, *, partition: int | None = None) -> str:
        return self._ask(status_queries.stamp, issuer_id, partition)

    def revoked(
        self, issuer_id: str, *, listed_us: int, partition: int | None = None
    ) -> Iterator[RevokedBlock]:
        return self._stream(crl_entries.revoked, issuer_id, listed_us, partition)

    def revocation_changes(self, issuer_id: str, *, since_us: int) -> Iterator[RevokedRow]:
        return self._stream(crl_entries.changes, issuer_id, since_us)

    def crl(self, scope: str) -> CrlRecord | None:
        return self._ask(crl_queries.crl, scope)

    def crl_heads(self) -> Mapping[str, CrlHead]:
        return self._ask(crl_queries.heads)

    def crl_partitions(self) -> Sequence[CrlPartition]:
        return self._ask(crl_partitions.partitions)

    def crl_part(self, scope: str, number: int, part: int) -> bytes | None:
        return self._ask(crl_queries.part, scope, number, part)


class StatusWrites(Writes):
    """``ports.status.StatusWrites``."""

    __slots__ = ()

    def crl(self, scope: str) -> CrlRecord | None:
        return self._run(crl_queries.crl, scope)

    def crl_partitions(self) -> Sequence[CrlPartition]:
        return self._run(crl_partitions.partitions)

    def add_crl_partition(self, partition: CrlPartition) -> None:
        self._run(partition_commands.add, partition)

    def change_crl_partition(self, partition: CrlPartition) -> None:
        self._run(partition_commands.change, partition)

    def last_expiry_us(self) -> int:
        return self._run(crl_partitions.last_expiry_us)

    def lately_filled(self) -> Mapping[int, int]:
        return self._run(crl_partitions.lately_filled)

    def partition_listed_us(self, number: int) -> int | None:
        return self._run(crl_partitions.listed_us, number)

    def put_crl_part(self, scope: str, number: int, part: int, octets: bytes) -> None:
        self._run(crls.put_part, scope, number, part, octets)

    def crl_parts(self, scope: str, number: int, parts: int) -> Sequence[bytes]:
        return self._run(crl_queries.first_parts, scope, number, parts)

    def publish_crl(self, crl: CrlRecord) -> None:
        self._run(crls.publish, crl)

    def drop_crl_parts(self, scope: str, below: int, most: int) -> int:
        return self._run(crls.drop_parts, scope, below, most)
