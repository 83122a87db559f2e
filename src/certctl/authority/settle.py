"""What a call of a CA outside came back with, put on record in one transaction (records §2).

An answer is taken only while its intent is open. Whatever else the CA has issued is an
orphan: on record as revoked, revoked there where it can be, and never handed out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from msgspec import structs

from certctl.authority.calls import ORPHAN_REASON, Finished, OutsideCalls, Work
from certctl.authority.commands import SYSTEM
from certctl.authority.events import event_by, failed_event
from certctl.authority.facts import Facts, limit_key_of
from certctl.authority.granting import Granting
from certctl.authority.intents import Ordered, note_of, ordered_of
from certctl.authority.issue import IssuingRules, require_good_credential
from certctl.authority.returned import Returned, differences, read_returned
from certctl.authority.revoke import revoked_event
from certctl.authority.telling import told
from certctl.authority.turn import Outcome, Turn
from certctl.domain.audit import AuditAction, AuditEvent, Counter
from certctl.domain.audit import Outcome as AuditOutcome
from certctl.domain.certificates import CertificateRecord, CertificateSource, CertificateStatus
from certctl.domain.errors import (
    Failure,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
)
from certctl.domain.failure_words import words_of
from certctl.domain.ids import NewId
from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.order import Issued, Order
from certctl.domain.ports import DuplicateKey, Transaction

# An answer of a CA that cannot be reached is asked for again so long after the deadline.
ASK_AGAIN_US = 600_000_000

# No time of a window: what is left of it when its only certificate was none after all.
LONG_AGO_US = 0

GatherFacts = Callable[[Order, Transaction], Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Settles one piece of work after the other; ``facts_of`` asks what gates want to know."""

    rules: IssuingRules
    granting: Granting
    calls: OutsideCalls
    facts_of: GatherFacts
    new_id: NewId

    def settle(self, done: Finished, turn: Turn, transaction: Transaction) -> Outcome | None:
        """Write what came back into the transaction and the turn.

        Gives what a device that waits for it is answered; None where none can.

        Raises:
            DuplicateKey: another node was faster; try again.
        """
        if done.delivery is not None:
            told(done, done.delivery, transaction, turn.now_us)
            return None
        intent = transaction.intent(done.intent_id)
        if intent is None:
            return None
        if done.work is Work.REVOKE:
            _revoked(intent, done.answer, turn, transaction)
            return None
        if isinstance(done.answer, bytes):
            try:
                return self._certificate(intent, done.answer, turn, transaction)
            except IssuerMisbehaved as unclear:
                done = replace(done, answer=unclear)
        if not intent.is_open:
            return None
        answer = done.answer if isinstance(done.answer, Failure) else None
        if done.work is Work.FIND:
            return _not_found(intent, answer, turn, transaction)
        return _failed(intent, answer or IssuerMisbehaved("nothing came back"), turn, transaction)

    def _certificate(
        self, intent: Intent, der: bytes, turn: Turn, transaction: Transaction
    ) -> Outcome | None:
        """A certificate came; whether it is this CA's decides whether anything is known.

        Raises:
            IssuerMisbehaved: it is no certificate, not this CA's, or not a new one.
        """
        ordered = ordered_of(intent)
        returned = read_returned(der, self.calls.chain_of(intent.issuer_id))
        if transaction.has_serial(intent.issuer_id, returned.signed.serial):
            # Whose it is cannot be told from here, so it is neither recorded nor revoked.
            raise IssuerMisbehaved(
                f"the certificate with serial number {returned.signed.serial} is on record already"
            )
        if not intent.is_open:
            note = f"a certificate came although this was {intent.status} already"
            self._orphan(intent, returned, note, turn, transaction)
            return None
        differs = differences(returned, ordered, now_us=turn.now_us)
        if differs:
            failure = IssuerMisbehaved(f"not as ordered: {', '.join(differs)}")
            return self._refuse(intent, returned, failure, turn, transaction)
        try:
            self._accept(ordered.order, returned, turn, transaction)
        except Failure as refused:
            return self._refuse(intent, returned, refused, turn, transaction)
        certificate_id = turn.fulfilled[-1].record.id
        _close(intent, IntentStatus.ISSUED, turn, transaction, certificate_id=certificate_id)
        return Issued(der=der)

    def _accept(
        self, order: Order, returned: Returned, turn: Turn, transaction: Transaction
    ) -> None:
        """Decide once more: rules, key and credential may have changed during the call."""
        facts = self.facts_of(order, transaction)
        shown = facts.states.get(order.credential) if order.credential else None
        require_good_credential(order, shown, answered=False, now_us=facts.now_us)
        checked = self.rules.check(order, facts)
        self.granting.accept(checked, returned.signed, facts, turn)

    def _refuse(
        self,
        intent: Intent,
        returned: Returned,
        failure: Failure,
        turn: Turn,
        transaction: Transaction,
    ) -> Failure:
        note = f"{failure.reason}: {words_of(failure).problem}"
        self._orphan(intent, returned, note_of(note), turn, transaction)
        turn.count(_event(intent, failure, turn.now_us), failure.counter)
        failure.on_record = True
        return failure

    def _orphan(
        self,
        intent: Intent,
        returned: Returned,
        note: str,
        turn: Turn,
        transaction: Transaction,
    ) -> None:
        record = _orphan_record(
            returned, ordered_of(intent).order, certificate_id=self.new_id(), now_us=turn.now_us
        )
        transaction.record_certificates([record])
        if intent.status is not IntentStatus.ISSUED:
            _close(
                intent,
                IntentStatus.ORPHAN,
                turn,
                transaction,
                note=note,
                certificate_id=record.id,
            )
        turn.events.append(_orphan_event(intent, record, note, turn.now_us))
        turn.orphans.append((intent, record.der))


def lost(intent: Intent, turn: Turn, transaction: Transaction) -> None:
    """Give an intent up: whether the CA has issued anything cannot be told."""
    note = intent.note or "no answer came, and the CA cannot tell"
    _close(intent, IntentStatus.LOST, turn, transaction, note=note)
    event = event_by(
        SYSTEM,
        AuditAction.INTENT_LOST,
        now_us=turn.now_us,
        profile=intent.profile,
        resource_type="intent",
        resource_id=intent.id,
        details=_about(intent) | {"reason": "lost", "note": note},
        tenant=intent.tenant,
    )
    turn.count(structs.replace(event, outcome=AuditOutcome.FAILURE), Counter.ISSUER_ERROR)


def _failed(intent: Intent, failure: Failure, turn: Turn, transaction: Transaction) -> Failure:
    """Closed where the CA has certainly issued nothing; else open until its deadline."""
    note = note_of(words_of(failure).problem)
    if isinstance(failure, IssuerRefused):
        _nothing_issued(intent, IntentStatus.REFUSED, note_of(failure.note), turn, transaction)
    elif isinstance(failure, IssuerUnavailable) and not isinstance(failure, IssuerSilent):
        _nothing_issued(intent, IntentStatus.FAILED, note, turn, transaction)
    else:
        _change(replace(intent, note=note), IntentStatus.OPEN, transaction)
    turn.count(_event(intent, failure, turn.now_us), failure.counter)
    failure.on_record = True
    return failure


def _not_found(
    intent: Intent, answer: Failure | None, turn: Turn, transaction: Transaction
) -> Outcome | None:
    if answer is None:
        note = "the CA knows of no certificate"
        _nothing_issued(intent, IntentStatus.FAILED, note, turn, transaction)
        failure = IssuerUnavailable(f"issuer {intent.issuer_id}")
        turn.count(_event(intent, failure, turn.now_us), failure.counter)
        failure.on_record = True
        return failure
    if turn.now_us > intent.deadline_us + ASK_AGAIN_US:
        lost(intent, turn, transaction)
    return None


def _revoked(
    intent: Intent, answer: bytes | Failure | None, turn: Turn, transaction: Transaction
) -> None:
    if isinstance(answer, Failure) or intent.certificate_id is None or intent.told_us is not None:
        return
    record = transaction.certificate(intent.certificate_id)
    if record is None:
        return
    _change(replace(intent, told_us=turn.now_us), intent.status, transaction)
    turn.events.append(
        revoked_event(
            record, reason=ORPHAN_REASON, actor=SYSTEM, now_us=turn.now_us, issuer_told=True
        )
    )


def _nothing_issued(
    intent: Intent, status: IntentStatus, note: str, turn: Turn, transaction: Transaction
) -> None:
    """What a limit has counted for it is given back."""
    _close(intent, status, turn, transaction, note=note)
    ordered = ordered_of(intent)
    if ordered.hit_us:
        _give_back(ordered, transaction)


def _give_back(ordered: Ordered, transaction: Transaction) -> None:
    key = limit_key_of(ordered.order)
    times = [*transaction.limit_hits({key}).get(key, ())]
    if ordered.hit_us in times:
        times.remove(ordered.hit_us)
        transaction.record_limit_hits({key: times or [LONG_AGO_US]})


def _close(
    intent: Intent,
    status: IntentStatus,
    turn: Turn,
    transaction: Transaction,
    *,
    note: str = "",
    certificate_id: str | None = None,
) -> None:
    closed = replace(
        intent,
        status=status,
        closed_us=turn.now_us,
        note=note,
        certificate_id=certificate_id,
    )
    _change(closed, intent.status, transaction)


def _change(intent: Intent, expected: IntentStatus, transaction: Transaction) -> None:
    if not transaction.change_intent(intent, expected=expected):
        # Between reading and writing another node has closed it: all of it is run again.
        raise DuplicateKey("intents.status")


def _about(intent: Intent) -> dict[str, str | int | list[str]]:
    return {
        "issuer_id": intent.issuer_id,
        "intent": intent.id,
        "subject": intent.subject,
        "asked_by_request": intent.request_id,
    }


def _event(intent: Intent, failure: Failure, now_us: int) -> AuditEvent:
    about: dict[str, str | int | list[str]] = {"issuer_id": intent.issuer_id, "intent": intent.id}
    return failed_event(ordered_of(intent).order, failure, now_us=now_us, about=about)


def _orphan_event(intent: Intent, record: CertificateRecord, note: str, now_us: int) -> AuditEvent:
    event = event_by(
        SYSTEM,
        AuditAction.INTENT_LOST,
        now_us=now_us,
        profile=intent.profile,
        resource_type="certificate",
        resource_id=record.id,
        details=_about(intent)
        | {
            "reason": "orphan",
            "note": note,
            "serial": record.serial,
            "certificate_subject": record.subject,
            "sans": list(record.sans),
        },
        tenant=intent.tenant,
    )
    return structs.replace(event, outcome=AuditOutcome.FAILURE)


def _orphan_record(
    returned: Returned, order: Order, *, certificate_id: str, now_us: int
) -> CertificateRecord:
    """As the certificate itself says, not as the order did; revoked from the start."""
    signed = returned.signed
    return CertificateRecord(
        id=certificate_id,
        serial=signed.serial,
        profile=order.profile,
        certificate_profile=order.certificate_profile,
        issuer_id=order.issuer_id,
        principal=order.principal,
        auth_mode=order.auth_mode.value,
        subject=returned.subject,
        subject_der=returned.subject_der,
        sans=returned.sans,
        san_der=returned.san_der,
        key_algorithm=_algorithm(returned.spki_der),
        spki_sha256=hashlib.sha256(returned.spki_der).digest(),
        fingerprint=returned.fingerprint,
        not_before_us=signed.not_before_us,
        not_after_us=signed.not_after_us,
        issued_us=now_us,
        der=signed.der,
        csr_der=order.csr_der,
        csr_sha256=order.csr_sha256,
        source=CertificateSource.ORPHAN,
        source_address=order.source_address,
        tls_version=order.tls_version,
        channel_binding=order.channel_binding,
        status=CertificateStatus.REVOKED,
        revoked_us=now_us,
        revocation_reason=ORPHAN_REASON.value,
        tenant=order.tenant,
    )


def _algorithm(spki_der: bytes) -> str:
    try:
        return str(describe_key(load_public_key(spki_der)))
    except Failure:
        return "unknown"
