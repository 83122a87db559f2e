"""What the records say about a batch of orders, asked once for all of them.

One query per kind of fact and batch, never one per order. Facts change while the batch
is decided: what an earlier order does, a later one in the same batch must see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from certctl.authority.lockout import Sources, read_sources
from certctl.domain.certificates import CertificateKey, CertificateState
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Order
from certctl.domain.ports import Transaction
from certctl.domain.profiles import AuthMode


@dataclass(slots=True, kw_only=True)
class Facts:
    """Attributes:
    now_us: the time of this transaction.
    states: certificates shown as credentials, by fingerprint, as on record now.
    repeated: DER of certificates that answered the same request before, by its key.
    sources: wrong passwords by source; asked for where an order came with a password.
    """

    now_us: int
    states: Mapping[bytes, CertificateState]
    repeated: dict[bytes, bytes]
    sources: Sources


def gather(
    orders: Sequence[Order], transaction: Transaction, now_us: int, *, lockout: LockoutRule
) -> Facts:
    """Ask the records everything that the gates will want to know about these orders."""
    shown = {
        CertificateKey(order.credential_serial, order.credential)
        for order in orders
        if order.credential is not None
    }
    keys = {order.repetition_key for order in orders}
    by_password = {o.source_address for o in orders if o.auth_mode is AuthMode.BASIC}
    return Facts(
        now_us=now_us,
        states=transaction.certificate_states(shown) if shown else {},
        repeated=dict(transaction.repeated_certificates(keys, now_us)),
        sources=read_sources(by_password, transaction, lockout, now_us),
    )
