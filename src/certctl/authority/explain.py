"""The authority's gates on an order that is not fulfilled: nothing is written or counted.

The same functions as in ``authority.service``, on the records as they are now. What the
certificate would be comes from the code that makes it, with an issuer whose signature is
worth nothing (``issuers.preview``).
"""

from __future__ import annotations

from cryptography import x509

from certctl.authority.approval import require_waiting_room
from certctl.authority.facts import gather
from certctl.authority.gates import Allowed, require_allowed, require_caller
from certctl.authority.issue import Fulfilled, IssuingRules
from certctl.domain.approval import POLL_SECONDS
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import Pending, RequestMalformed
from certctl.domain.explanation import WouldBe
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Order
from certctl.domain.ports import FactReads
from certctl.domain.rules import Collector, Rule
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name


def explain_order(
    order: Order,
    records: FactReads,
    rules: IssuingRules,
    *,
    now_us: int,
    lockout: LockoutRule,
    judge: Collector,
) -> WouldBe | None:
    """Judge gates 10 to 14; None where something refuses."""
    try:
        facts = gather(
            (order,), records, now_us, needs_approval=rules.needs_approval, lockout=lockout
        )
    except RequestMalformed:
        return None  # the worker's gates have said so
    answered = require_caller(order, facts, judge)
    if answered is not None:
        judge.passed(Rule.REPETITION, "this very request was answered before: it gets that again")
        return _of_record(order, answered) if not judge.refusals else None
    judge.passed(Rule.REPETITION, "this request was not answered before")
    allowed: Allowed | None = None
    with judge(Rule.CERTIFICATE_PROFILE):
        allowed = require_allowed(order, facts, rules, judge)
    if allowed is None:
        return None
    with judge(Rule.APPROVAL):
        if allowed.must_begin:
            require_waiting_room(facts)
            raise Pending(request="a new request", retry_after=POLL_SECONDS)
    if _refused(judge):
        return None
    done: Fulfilled | None = None
    with judge(Rule.ISSUER):
        done = rules.fulfil(allowed.checked, certificate_id="", now_us=now_us, judge=judge)
    return _of(allowed, done) if done is not None and not _refused(judge) else None


def _refused(judge: Collector) -> bool:
    """By anything but operators who have yet to approve."""
    return any(not isinstance(each.failure, Pending) for each in judge.refusals)


def _of(allowed: Allowed, done: Fulfilled) -> WouldBe:
    record, profile = done.record, allowed.checked.profile
    return WouldBe(
        subject=record.subject,
        sans=record.sans,
        ekus=profile.allowed_ekus,
        key=record.key_algorithm,
        not_before_us=record.not_before_us,
        not_after_us=record.not_after_us,
        profile=record.profile,
        certificate_profile=record.certificate_profile,
        issuer_id=record.issuer_id,
        shorter_percent=profile.ttl_jitter_percent,
        renews=record.renews,
    )


def _of_record(order: Order, der: bytes) -> WouldBe:
    """The certificate that was issued before, as it is."""
    certificate = x509.load_der_x509_certificate(der)
    sans = decode_general_names(order.san_der) if order.san_der else ()
    return WouldBe(
        subject=decode_name(order.subject_der).text(),
        sans=tuple(map(str, sans)),
        ekus=_ekus(certificate),
        key=str(describe_key(load_public_key(order.spki_der))),
        not_before_us=int(certificate.not_valid_before_utc.timestamp()) * SECOND_US,
        not_after_us=int(certificate.not_valid_after_utc.timestamp()) * SECOND_US,
        profile=order.profile,
        certificate_profile=order.certificate_profile,
        issuer_id=order.issuer_id,
        renews=order.renews,
        repeated=True,
    )


def _ekus(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return ()
    return tuple(each.dotted_string for each in found.value)
