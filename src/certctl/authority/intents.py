"""Intents while they are open: how one begins, and how its order is kept (records §2)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from certctl.authority.issue import Checked
from certctl.domain.errors import InProgress, IssuerRefused
from certctl.domain.intent import MAX_NOTE, POLL_SECONDS, SLACK_US, Intent, IntentStatus
from certctl.domain.order import Order
from certctl.domain.plain_text import shown
from certctl.domain.ports import OutsideIssuer, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What a CA outside is asked for; on record with its intent.

    ``terms`` leave nothing to the issuer; ``hit_us`` is the time by which a limit has
    counted it, 0 where there is none.
    """

    order: Order
    terms: Terms
    hit_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An intent on record, and what is to be asked for."""

    intent: Intent
    ordered: Ordered


@dataclass(frozen=True, slots=True)
class Started:
    """The outcome of an order for now: the call of this intent is under way."""

    intent_id: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Ordered)


def ordered_of(intent: Intent) -> Ordered:
    """What stands in an intent on record."""
    return _decoder.decode(intent.order)


def begin(
    checked: Checked,
    issuer: OutsideIssuer,
    terms: Terms,
    *,
    intent_id: str,
    owner: str,
    now_us: int,
    hit_us: int,
) -> Call:
    """The intent of an order that every gate has let through."""
    order = checked.order
    ordered = Ordered(order=order, terms=terms, hit_us=hit_us)
    intent = Intent(
        id=intent_id,
        key=order.repetition_key,
        status=IntentStatus.OPEN,
        owner=owner,
        created_us=now_us,
        deadline_us=now_us + issuer.time_limit_us + SLACK_US,
        issuer_id=order.issuer_id,
        profile=order.profile,
        subject=checked.subject or ", ".join(checked.sans),
        source_address=order.source_address,
        request_id=order.request_id,
        order=_encoder.encode(ordered),
        tenant=order.tenant,
    )
    return Call(intent=intent, ordered=ordered)


def require_none_open(found: Intent | None, now_us: int) -> None:
    """The same request does not make a second call while the first is under way.

    Raises:
        InProgress: it is.
        IssuerRefused: the CA has refused it a moment ago.
    """
    if found is None:
        return
    if found.is_open:
        raise InProgress(retry_after=POLL_SECONDS)
    if found.refuses(now_us):
        raise IssuerRefused(found.note)


def note_of(text: str) -> str:
    """Words from outside as an intent's note: escaped and cut."""
    return shown(text)[:MAX_NOTE]
