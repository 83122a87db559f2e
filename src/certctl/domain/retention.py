"""How long records are kept, and what stands where audit events were dropped (records §5).

A stub says: up to here this node's chain was dropped, whole, as sealed; the next event
follows this digest. It is signed by the key that seals, so nobody else can drop anything
without its being seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from certctl.domain.certificates import CertificateStatus
from certctl.domain.crl import is_listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages in microseconds; None keeps for ever.

    Attributes:
        audit_us: of audit events, by the checkpoint that sealed them.
        records_us: of certificates, after their end of validity; see ``may_go``.
    """

    audit_us: int | None = None
    records_us: int | None = None


KEEP_EVERYTHING = Retention()


class Ended(Protocol):
    """What ``may_go`` asks of a certificate on record."""

    @property
    def status(self) -> CertificateStatus: ...

    @property
    def not_after_us(self) -> int: ...

    @property
    def revoked_us(self) -> int | None: ...


def may_go(certificate: Ended, *, before_us: int, listed_us: int | None) -> bool:
    """Whether a certificate that ended before ``before_us`` may be dropped from the records.

    A revoked one only once the newest CRLs it belongs on do not list it any more (RFC 5280
    §3.3: that is when it stood on a scheduled one of each after its end).

    Args:
        certificate: its issuer's CRL, and its partition's, are meant below.
        before_us: of what ended later, nothing goes.
        listed_us: the lowest ``CrlRecord.listed_us`` of those; None where no CRL is made here, so
            that nobody can tell: then it is kept.
    """
    if certificate.not_after_us >= before_us:
        return False
    if certificate.status is CertificateStatus.VALID:
        return True
    if listed_us is None or certificate.revoked_us is None:
        return False
    return not is_listed(certificate.not_after_us, certificate.revoked_us, listed_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStub:
    """One dropped segment of one node's chain.

    Attributes:
        first_seq: the segment's first event; segments follow each other without gap.
        last_seq: its last event, which ``checkpoint`` (a number) had sealed.
        digest: of that last event; what the next event follows.
        dropped_us: when.
        key_id: as ``Checkpoint.key_id``.
        signature: Ed25519 over ``signed_octets``.
    """

    node: str
    first_seq: int
    last_seq: int
    digest: bytes
    checkpoint: int
    dropped_us: int
    key_id: str
    signature: bytes = b""

    def signed_octets(self) -> bytes:
        """What the signature is over: all fields but the signature, as a JSON array."""
        return _encoder.encode(
            (
                "certctl audit stub 1",
                self.node,
                self.first_seq,
                self.last_seq,
                self.digest.hex(),
                self.checkpoint,
                self.dropped_us,
                self.key_id,
            )
        )


_encoder = msgspec.json.Encoder()
