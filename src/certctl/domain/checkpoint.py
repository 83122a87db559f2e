"""A checkpoint of the audit trail: where every node's chain stood, signed (records §5).

Checkpoints form one chain over all nodes. Whoever rewrites events must rewrite every
later event of that node *and* sign new checkpoints, which takes a key that the database
does not hold; and the last checkpoint kept elsewhere tells a cut-off tail.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

GENESIS = bytes(32)
"""What the first checkpoint follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The last sealed event of one node's chain: its place and digest (SHA-256)."""

    node: str
    seq: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One signed checkpoint.

    Attributes:
        number: 1, 2, 3 …, without gaps.
        made_us: when it was signed.
        previous: digest of the checkpoint before, or ``GENESIS``.
        heads: one for each node that has events, in order of name.
        key_id: first 16 hexadecimal digits of SHA-256 over the signing key's
            SubjectPublicKeyInfo (DER).
        signature: Ed25519 over ``signed_octets``.
    """

    number: int
    made_us: int
    previous: bytes
    heads: tuple[ChainHead, ...]
    key_id: str
    signature: bytes = b""

    def signed_octets(self) -> bytes:
        """What the signature is over: all fields but the signature, as a JSON array."""
        return _encoder.encode(
            (
                "certctl audit checkpoint 1",
                self.number,
                self.made_us,
                self.previous.hex(),
                [(head.node, head.seq, head.digest.hex()) for head in self.heads],
                self.key_id,
            )
        )

    def digest(self) -> bytes:
        """What the next checkpoint names as its previous one."""
        return hashlib.sha256(self.signed_octets() + self.signature).digest()


_encoder = msgspec.json.Encoder()
