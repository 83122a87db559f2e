"""What the records say about a batch of orders, asked once for all of them.

One query per kind of fact and batch, never one per order. Facts change while the batch
is decided: what an earlier order does, a later one in the same batch must see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from certctl.authority.key_rules import key_of
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
    KeyUse,
)
from certctl.domain.order import Order
from certctl.domain.ports import Transaction


@dataclass(slots=True, kw_only=True)
class Facts:
    """Attributes:
    now_us: the time of this transaction.
    states: certificates shown as credentials, by fingerprint, as on record now.
    repeated: DER of certificates that answered the same request before, by its key.
    keys: what is on record about public keys, by SHA-256 of SubjectPublicKeyInfo.
    """

    now_us: int
    states: Mapping[bytes, CertificateState]
    repeated: dict[bytes, bytes]
    keys: dict[bytes, KeyFacts] = field(default_factory=dict)

    def note_issued(self, record: CertificateRecord) -> None:
        """A certificate of this batch: the orders behind it must see its key as used."""
        known = self.keys.get(record.spki_sha256, KeyFacts())
        use = KeyUse(record.id, record.subject_der, record.san_der)
        self.keys[record.spki_sha256] = replace(known, uses=(*known.uses, use))


def gather(orders: Sequence[Order], transaction: Transaction, now_us: int) -> Facts:
    """Ask the records everything that the gates will want to know about these orders."""
    shown = {
        CertificateKey(order.credential_serial, order.credential)
        for order in orders
        if order.credential is not None
    }
    keys = {order.repetition_key for order in orders}
    return Facts(
        now_us=now_us,
        states=transaction.certificate_states(shown) if shown else {},
        repeated=dict(transaction.repeated_certificates(keys, now_us)),
        keys=dict(transaction.key_facts({key_of(order) for order in orders}, now_us)),
    )
