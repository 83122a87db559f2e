"""How long records are kept, and what stands where audit events were dropped (records §5).

A stub says: up to here this node's chain was dropped, whole, as sealed; the next event
follows this digest. It is signed by the key that seals, so nobody else can drop anything
without its being seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages in microseconds; None keeps for ever.

    Attributes:
        audit_us: of audit events, by the checkpoint that sealed them.
        records_us: of certificates, after their end of validity. A revoked one is kept.
    """

    audit_us: int | None = None
    records_us: int | None = None


KEEP_EVERYTHING = Retention()


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
