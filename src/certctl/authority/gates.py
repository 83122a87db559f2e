"""Gates 10 to 13 of est §2, in their order, on the facts of one transaction.

Served requests and explained ones go through the same function; only their ``Judge``
differs. Nothing is written here.
"""

from __future__ import annotations

from msgspec import Struct

from certctl.authority.approval import approved_request
from certctl.authority.facts import Facts, limit_key_of
from certctl.authority.issue import Checked, IssuingRules, require_good_credential
from certctl.authority.renew import require_renewable
from certctl.domain.approval import WaitingRequest
from certctl.domain.limit import require_room, window
from certctl.domain.order import Order
from certctl.domain.profiles import AuthMode
from certctl.domain.rules import Judge, Rule, strict


class Allowed(Struct, frozen=True, kw_only=True):
    """What no gate refuses.

    Attributes:
        limit: key of the limit that counts this certificate, and the times it has counted.
        request: approved by operators; None where that is not needed, or has not begun.
    """

    checked: Checked
    limit: tuple[bytes, tuple[int, ...]] | None
    request: WaitingRequest | None

    @property
    def must_begin(self) -> bool:
        """Operators have to approve it, and it does not wait for them yet."""
        return self.checked.profile.requires_approval and self.request is None


def require_caller(order: Order, facts: Facts, judge: Judge = strict) -> bytes | None:
    """Gates 3, 10 and 11: the certificate (DER) that answered this very request before.

    A password that was right clears its source's failures even if the order is refused
    for something else.

    Raises:
        LockedOut, CertificateRefused: the caller is not, or no longer, let in.
    """
    with judge(Rule.AUTHENTICATION):
        if order.auth_mode is AuthMode.BASIC:
            facts.sources.right(order.source_address)
    der = facts.repeated.get(order.repetition_key)
    with judge(Rule.CREDENTIAL_STILL_GOOD):
        shown = facts.states.get(order.credential) if order.credential else None
        require_good_credential(order, shown, answered=der is not None, now_us=facts.now_us)
    return der


def require_allowed(
    order: Order, facts: Facts, rules: IssuingRules, judge: Judge = strict
) -> Allowed:
    """Gates 9, 12 and 13, for a request that was not answered before.

    Raises:
        Failure: the order is refused, or waits.
    """
    now_us = facts.now_us
    checked = rules.check(order, facts, judge)
    with judge(Rule.RENEWED_STILL_GOOD):
        require_renewable(order, facts)
    limit: tuple[bytes, tuple[int, ...]] | None = None
    with judge(Rule.LIMIT):
        if order.limit_24h:
            key = limit_key_of(order)
            counted = window(facts.hits.get(key, ()), now_us)
            require_room(counted, limit=order.limit_24h, now_us=now_us)
            limit = (key, counted)
    request: WaitingRequest | None = None
    with judge(Rule.APPROVAL):
        if checked.profile.requires_approval:
            request = approved_request(checked, facts)
    return Allowed(checked=checked, limit=limit, request=request)
