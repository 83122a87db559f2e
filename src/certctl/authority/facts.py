"""What the records say about a batch of orders, asked once for all of them.

One query per kind of fact and batch, never one per order. Facts change while the batch
is decided: what an earlier order does, a later one in the same batch must see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msgspec.structs import replace

from certctl.authority.key_rules import key_of
from certctl.authority.lockout import Sources, read_sources
from certctl.domain.approval import WaitingRequest
from certctl.domain.certificates import (
    CertificateKey,
    CertificateRecord,
    CertificateState,
    KeyFacts,
    KeyUse,
)
from certctl.domain.intent import Intent
from certctl.domain.limit import limit_key
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Order
from certctl.domain.ports import FactReads
from certctl.domain.profiles import AuthMode
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name


@dataclass(slots=True, kw_only=True)
class Facts:
    """Attributes:
    now_us: the time of this records.
    states: certificates shown as credentials, by fingerprint, as on record now.
    repeated: DER of certificates that answered the same request before, by its key.
    intents: the newest call of a CA outside for the same request, by its key; asked for
        where an order's issuer is outside.
    renewed: what is renewed, by id, where more is asked of it than of a credential.
    requests: what waits or waited for an operator, by repetition key.
    waiting: how many requests wait, where one of these orders may have to.
    hits: what each limit has counted, by its key; only of orders that have a limit.
    sources: wrong passwords by source; asked for where an order came with a password.
    keys: what is on record about public keys, by SHA-256 of SubjectPublicKeyInfo.
    """

    now_us: int
    states: dict[bytes, CertificateState]
    repeated: dict[bytes, bytes]
    hits: dict[bytes, tuple[int, ...]]
    renewed: dict[str, CertificateRecord]
    requests: dict[bytes, WaitingRequest]
    waiting: int
    sources: Sources
    keys: dict[bytes, KeyFacts]
    intents: dict[bytes, Intent]

    def note_issued(self, record: CertificateRecord) -> None:
        """A certificate of this batch: the orders behind it must see its key as used."""
        known = self.keys.get(record.spki_sha256, KeyFacts())
        use = KeyUse(record.id, record.subject_der, record.san_der)
        self.keys[record.spki_sha256] = replace(known, uses=(*known.uses, use))


def gather(
    orders: Sequence[Order],
    records: FactReads,
    now_us: int,
    *,
    needs_approval: Callable[[Order], bool],
    is_outside: Callable[[Order], bool] = lambda _: False,
    lockout: LockoutRule,
) -> Facts:
    """Ask the records everything that the gates will want to know about these orders."""
    shown = {
        CertificateKey(order.credential_serial, order.credential)
        for order in orders
        if order.credential is not None
    }
    keys = {order.repetition_key for order in orders}
    approved = {order.repetition_key for order in orders if needs_approval(order)}
    outside = {order.repetition_key for order in orders if is_outside(order)}
    renewed = {each.renews for each in orders if each.renews and needs_renewed(each)}
    limited = {limit_key_of(order) for order in orders if order.limit_24h}
    by_password = {o.source_address for o in orders if o.auth_mode is AuthMode.BASIC}
    return Facts(
        now_us=now_us,
        states=dict(records.certificate_states(shown)) if shown else {},
        renewed=dict(records.certificates_by_id(renewed)) if renewed else {},
        repeated=dict(records.repeated_certificates(keys, now_us)),
        requests=dict(records.requests_by_key(approved)) if approved else {},
        waiting=records.waiting_number(now_us) if approved else 0,
        hits=dict(records.limit_hits(limited)) if limited else {},
        sources=read_sources(by_password, records, lockout, now_us),
        intents=dict(records.newest_intents(outside)) if outside else {},
        keys=dict(records.key_facts({key_of(order) for order in orders}, now_us)),
    )


def needs_renewed(order: Order) -> bool:
    """Whether the record of what is renewed is needed beside the state of a credential."""
    return order.renews is not None and (not order.shows_renewed or order.supersedes)


def limit_key_of(order: Order) -> bytes:
    """Whom a limit counts for, from the names and the source of the order itself.

    Raises:
        RequestMalformed: the names are none.
    """
    return _limit_key(order.profile, order.subject_der, order.san_der, order.source_address)


# A batch asks for all its orders, then each order for itself: the names are read once.
@lru_cache(maxsize=1_024)
def _limit_key(profile: str, subject_der: bytes, san_der: bytes, source: str) -> bytes:
    sans = decode_general_names(san_der) if san_der else ()
    return limit_key(profile, decode_name(subject_der), sans, source)
