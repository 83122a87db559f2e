"""The status of certificates as others are told it: OCSP standings and CRLs (records §4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from certctl.domain.crl import CrlHead, CrlRecord, RevokedBlock, RevokedRow
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.ocsp import CertificateStanding


class StatusReads(Protocol):
    """What jobs and workers read."""

    def standings(
        self, issuer_id: str, serials: Collection[str]
    ) -> Mapping[str, CertificateStanding]:
        """By serial (lower-case hex without padding); never issued ones are left out."""
        ...

    def revocation_stamp(self, issuer_id: str, *, partition: int | None = None) -> str:
        """Changes when certificates of an issuer, or of one partition of its, are revoked, or
        released from a hold.

        Cheap enough to ask once a second. A change that it cannot show (a clock ten
        minutes behind the other nodes') comes with the next scheduled CRL.
        """
        ...

    def revoked(
        self, issuer_id: str, *, listed_us: int, partition: int | None = None
    ) -> Iterator[RevokedBlock]:
        """The entries of a CRL, as of one moment, in no order; to be read to the end.

        Args:
            issuer_id: whose certificates.
            listed_us: thisUpdate of the newest scheduled CRL, 0 without one. What had
                expired by then and stood on it is left out (RFC 5280 §3.3).
            partition: only what is in it; None for everything.
        """
        ...

    def revocation_changes(self, issuer_id: str, *, since_us: int) -> Iterator[RevokedRow]:
        """The entries of a delta CRL, as of one moment: what has been revoked since a base
        of that thisUpdate, and as ``REMOVE_FROM_CRL`` what was released from a hold and is
        valid now, whether the base lists it or not (RFC 5280 §5.2.4). Clocks that are not
        far apart are allowed for.
        """
        ...

    def crl(self, scope: str) -> CrlRecord | None: ...

    def crl_heads(self) -> Mapping[str, CrlHead]:
        """The newest CRL of every scope: one short question, for who asks each second."""
        ...

    def crl_partitions(self) -> Sequence[CrlPartition]:
        """All that there ever were, by number."""
        ...

    def crl_part(self, scope: str, number: int, part: int) -> bytes | None:
        """Octets of a CRL's TBSCertList; None where there are no such (any more)."""
        ...


class StatusWrites(Protocol):
    """What the authority writes of CRLs."""

    def crl(self, scope: str) -> CrlRecord | None: ...

    def crl_partitions(self) -> Sequence[CrlPartition]:
        """All that there ever were, by number."""
        ...

    def add_crl_partition(self, partition: CrlPartition) -> None:
        """Put a new one on record.

        Raises:
            DuplicateKey: another node has put this number on record.
        """
        ...

    def change_crl_partition(self, partition: CrlPartition) -> None:
        """Keep how long it goes on; its place stays."""
        ...

    def last_expiry_us(self) -> int:
        """When the last certificate on record expires; 0 where there is none."""
        ...

    def lately_filled(self) -> Mapping[int, int]:
        """By partition, when the last of the certificates in it expires that are among the
        newest on record: some thousands, however many there are.
        """
        ...

    def partition_listed_us(self, number: int) -> int | None:
        """The lowest ``CrlRecord.listed_us`` of its CRLs; None where there are none."""
        ...

    def put_crl_part(self, scope: str, number: int, part: int, octets: bytes) -> None:
        """Keep a piece of a TBSCertList, in place of one there may be."""
        ...

    def crl_parts(self, scope: str, number: int, parts: int) -> Sequence[bytes]:
        """The first so many pieces that are there, in order."""
        ...

    def publish_crl(self, crl: CrlRecord) -> None:
        """Make it the issuer's CRL.

        Raises:
            DuplicateKey: another node has published this number, or a higher one.
        """
        ...

    def drop_crl_parts(self, scope: str, below: int, most: int) -> int:
        """Remove at most so many pieces of CRLs below a number; gives how many went."""
        ...
