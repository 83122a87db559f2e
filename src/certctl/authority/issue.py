"""One order inside a transaction: still allowed? seen before? sign, and what to record.

The authority is no signing oracle: it reads the very bytes it will sign and checks
them against the certificate profile again, whatever the worker said (architecture §1).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from cryptography import x509
from msgspec import Struct

from certctl.authority.events import event_of_order
from certctl.authority.facts import Facts
from certctl.authority.key_rules import check_key_on_record, key_of
from certctl.domain.audit import AuditAction, AuditEvent, Counter
from certctl.domain.certificates import (
    CertificateRecord,
    CertificateSource,
    CertificateState,
    CertificateStatus,
)
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import (
    CertificateProfileUnavailable,
    CertificateRefused,
    InternalError,
    IssuerUnavailable,
    PolicyViolation,
)
from certctl.domain.ids import RandomBytes
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.known_weak import check_known_weak
from certctl.domain.names import DistinguishedName
from certctl.domain.order import Order
from certctl.domain.policy import (
    CertificateProfile,
    LintMode,
    check_attributes,
    check_change,
    check_contents,
    request_types,
)
from certctl.domain.ports import Issuer, Linter, OutsideIssuer, SignedCertificate, Terms
from certctl.domain.profiles import Operation
from certctl.domain.revocation import RevocationReason
from certctl.domain.rules import Judge, Rule, strict
from certctl.wire.attributes import SECRETS
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import decode_pkcs10

REPETITION_WINDOW_US = DAY_US

_SUCCESS: Mapping[Operation, tuple[AuditAction, Counter]] = {
    Operation.SIMPLEENROLL: (AuditAction.SIMPLE_ENROLL_SUCCESS, Counter.SUCCESS_SIMPLEENROLL),
    Operation.SIMPLEREENROLL: (
        AuditAction.SIMPLE_REENROLL_SUCCESS,
        Counter.SUCCESS_SIMPLEREENROLL,
    ),
}


AnyIssuer = Issuer | OutsideIssuer


class Checked(Struct, frozen=True, kw_only=True):
    """An order that policy allows, read and put beside what will sign it.

    Attributes:
        local: the issuer, where its key is in this process; else ``outside`` is set.
    """

    order: Order
    local: Issuer | None
    outside: OutsideIssuer | None
    profile: CertificateProfile
    subject: str
    sans: tuple[str, ...]
    key_algorithm: str
    key: bytes


class Fulfilled(Struct, frozen=True, kw_only=True):
    """A signed order with everything that goes on record with it."""

    order: Order
    record: CertificateRecord
    repetition: tuple[bytes, str, int]
    event: AuditEvent
    counter: Counter


class IssuingRules:
    """Issuers and certificate profiles as this node has them now."""

    __slots__ = ("_certificate_profiles", "_issuers", "_lint", "_local", "_outside", "_random")

    def __init__(
        self,
        issuers: Mapping[str, AnyIssuer],
        certificate_profiles: Mapping[str, CertificateProfile],
        *,
        random: RandomBytes = secrets.token_bytes,
        lint: Linter | None = None,
    ) -> None:
        """Without ``lint``, nothing is issued under a profile that asks for it."""
        self.use(issuers)
        self._certificate_profiles = certificate_profiles
        self._random = random
        self._lint = lint

    def use(self, issuers: Mapping[str, AnyIssuer]) -> None:
        """These issuers from now on; called between two batches."""
        self._issuers = issuers
        # Told apart once: asking a protocol costs more than some of the gates.
        self._outside = {
            each: issuer for each, issuer in issuers.items() if isinstance(issuer, OutsideIssuer)
        }
        self._local = {
            each: issuer
            for each, issuer in issuers.items()
            if not isinstance(issuer, OutsideIssuer)
        }

    def is_outside(self, order: Order) -> bool:
        """Whether its issuer is one outside this process."""
        return order.issuer_id in self._outside

    def needs_approval(self, order: Order) -> bool:
        """Whether operators decide on it, by the certificate profile as it is here."""
        profile = self._certificate_profiles.get(order.certificate_profile)
        return profile is not None and profile.requires_approval

    def check(self, order: Order, facts: Facts, judge: Judge = strict) -> Checked:
        """Read what would be signed, and judge it by the certificate profile again.

        ``facts`` are those of the batch that the order is in.

        Raises:
            PolicyViolation: it is not allowed.
            RequestMalformed: it is not DER of its kind.
            IssuerUnavailable: there is no such issuer here.
            CertificateProfileUnavailable: the certificate profile is gone.
        """
        if order.issuer_id not in self._issuers:
            raise IssuerUnavailable(f"issuer {order.issuer_id}", retry_after=60)
        profile = self._certificate_profiles.get(order.certificate_profile)
        if profile is None or not profile.enabled:
            what = f"certificate profile {order.certificate_profile}"
            raise CertificateProfileUnavailable(what, retry_after=60)
        with judge(Rule.NEW_NAMES):
            if order.renames:
                check_change(profile)
        subject = decode_name(order.subject_der)
        sans = decode_general_names(order.san_der) if order.san_der else ()
        public_key = load_public_key(order.spki_der)
        check_contents(subject, sans, public_key, profile, judge=judge)
        with judge(Rule.KNOWN_WEAK_KEY):
            check_known_weak(public_key)
        key = key_of(order)
        with judge(Rule.KEY_ON_RECORD):
            check_key_on_record(
                order,
                profile,
                key=key,
                facts=facts.keys.get(key),
                issuers=self._issuers.values(),
            )
        with judge(Rule.ATTRIBUTES):
            _check_attributes(order, subject, profile)
        return Checked(
            order=order,
            local=self._local.get(order.issuer_id),
            outside=self._outside.get(order.issuer_id),
            profile=profile,
            subject=subject.text(),
            sans=tuple(map(str, sans)),
            key_algorithm=str(describe_key(public_key)),
            key=key,
        )

    def fulfil(
        self, checked: Checked, *, certificate_id: str, now_us: int, judge: Judge = strict
    ) -> Fulfilled:
        """Sign, and say what to record. Nothing is on record yet.

        Raises:
            IssuerUnavailable: the key cannot be used now.
            PolicyViolation: ``lint``; what was signed is dropped and goes nowhere.
        """
        if checked.local is None:
            raise InternalError
        signed = checked.local.sign(checked.order, self.terms(checked), now_us=now_us)
        return self.grant(
            checked, signed, certificate_id=certificate_id, now_us=now_us, judge=judge
        )

    def grant(
        self,
        checked: Checked,
        signed: SignedCertificate,
        *,
        certificate_id: str,
        now_us: int,
        judge: Judge = strict,
    ) -> Fulfilled:
        """What to record of a certificate that is what the order asks for.

        Raises:
            PolicyViolation: ``lint``.
            IssuerUnavailable: there is no linter here.
        """
        order, profile = checked.order, checked.profile
        record = record_of(checked, signed, certificate_id=certificate_id, now_us=now_us)
        about: dict[str, str | int | list[str]] = {
            "serial": record.serial,
            "subject": record.subject,
            "sans": list(record.sans),
        }
        with judge(Rule.LINT):
            if profile.lint is not LintMode.OFF:
                about["lint"] = self._linted(signed.der, profile)
        event, counter = _event(order, about, now_us=now_us, certificate_id=certificate_id)
        return Fulfilled(
            order=order,
            record=record,
            repetition=(order.repetition_key, certificate_id, now_us + REPETITION_WINDOW_US),
            event=event,
            counter=counter,
        )

    def _linted(self, der: bytes, profile: CertificateProfile) -> list[str]:
        """Codes of all findings, where none of them is in the way.

        Linted with its signature on, because that is what would leave; it only leaves
        once it is on record.
        """
        if self._lint is None:
            raise IssuerUnavailable("linter", retry_after=60)
        findings = self._lint(der)
        errors = [each.code for each in findings if each.error]
        if errors and profile.lint is LintMode.BLOCK:
            raise PolicyViolation(
                "lint", wanted="a certificate without errors by RFC 5280", got=", ".join(errors)
            )
        return [each.code for each in findings]

    def terms(self, checked: Checked) -> Terms:
        """What the certificate profile adds; for a CA outside nothing is left open."""
        profile, outside = checked.profile, checked.outside
        shortened_ppm = 0
        if profile.ttl_jitter_percent:
            # A part of the whole range, even to one in 65,536.
            part = int.from_bytes(self._random(2), "big")
            shortened_ppm = profile.ttl_jitter_percent * 10_000 * part >> 16
        lifetime_us = profile.max_ttl_seconds * SECOND_US
        if outside is not None:
            lifetime_us = lifetime_us or outside.lifetime_us
            lifetime_us -= lifetime_us * shortened_ppm // 1_000_000
            shortened_ppm = 0
        return Terms(
            ekus=profile.allowed_ekus,
            backdate_us=profile.backdate_seconds * SECOND_US,
            lifetime_us=lifetime_us,
            shortened_ppm=shortened_ppm,
            must_staple=profile.must_staple,
        )


def _check_attributes(
    order: Order, subject: DistinguishedName, profile: CertificateProfile
) -> None:
    """From the request on record, which lacks the attributes that hold challenges."""
    if profile.required_csr_attributes:
        types = request_types(decode_pkcs10(order.csr_der))
        check_attributes(types, subject, profile, unseen=SECRETS)


def require_good_credential(
    order: Order, state: CertificateState | None, *, answered: bool, now_us: int
) -> None:
    """Gate 10: the certificate that authenticated the caller, as the record says *now*.

    ``answered`` says that this very request was granted before. Then a certificate that
    its own renewal superseded still gets that answer, should it have been lost.

    Raises:
        CertificateRefused: revoked, expired, or no longer known.
    """
    if state is None:
        if order.credential_own:
            raise _refused("untrusted", order)
        return
    renews = (
        order.shows_renewed
        and order.operation is Operation.SIMPLEREENROLL
        and state.profile == order.profile
    )
    if state.status is not CertificateStatus.VALID:
        lost = answered and renews and state.revocation_reason == RevocationReason.SUPERSEDED
        if not lost:
            raise _refused("revoked", order)
    if state.not_after_us + (order.grace_us if renews else 0) < now_us:
        raise _refused("expired", order)


def _refused(reason: str, order: Order) -> CertificateRefused:
    return CertificateRefused(
        reason,
        subject=order.credential_subject,
        issuer=order.credential_issuer,
        serial=order.credential_serial,
    )


def repeated_event(order: Order, der: bytes, *, now_us: int) -> tuple[AuditEvent, Counter]:
    """The event of a grant that repeats an earlier answer (policy §5)."""
    serial = f"{x509.load_der_x509_certificate(der).serial_number:x}"
    return _event(
        order,
        {"serial": serial, "repeated": "same request, same certificate"},
        now_us=now_us,
        certificate_id="",
    )


def _event(
    order: Order,
    about: Mapping[str, str | int | list[str]],
    *,
    now_us: int,
    certificate_id: str,
) -> tuple[AuditEvent, Counter]:
    if order.operation not in _SUCCESS:
        raise InternalError
    action, counter = _SUCCESS[order.operation]
    details: dict[str, str | int | list[str]] = {
        "issuer_id": order.issuer_id,
        "certificate_profile": order.certificate_profile,
        "channel_binding": order.channel_binding,
        **about,
    }
    if order.via:
        details["via"] = order.via
    if order.registration_authority:
        details["registration_authority"] = order.credential_subject
    event = event_of_order(
        order,
        action,
        now_us=now_us,
        resource_type="certificate",
        resource_id=certificate_id,
        details=details,
    )
    return event, counter


def record_of(
    checked: Checked, signed: SignedCertificate, *, certificate_id: str, now_us: int
) -> CertificateRecord:
    order = checked.order
    return CertificateRecord(
        id=certificate_id,
        serial=signed.serial,
        profile=order.profile,
        certificate_profile=order.certificate_profile,
        issuer_id=order.issuer_id,
        principal=order.principal,
        auth_mode=order.auth_mode.value,
        subject=checked.subject,
        subject_der=order.subject_der,
        sans=checked.sans,
        san_der=order.san_der,
        key_algorithm=checked.key_algorithm,
        spki_sha256=checked.key,
        fingerprint=hashlib.sha256(signed.der).digest(),
        not_before_us=signed.not_before_us,
        not_after_us=signed.not_after_us,
        issued_us=now_us,
        der=signed.der,
        csr_der=order.csr_der,
        csr_sha256=order.csr_sha256,
        source=CertificateSource.EST,
        source_address=order.source_address,
        tls_version=order.tls_version,
        channel_binding=order.channel_binding,
        renews=order.renews,
        tenant=order.tenant,
        crl_partition=signed.crl_partition,
    )
