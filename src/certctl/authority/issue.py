"""One order inside a transaction: still allowed? seen before? sign, and what to record.

The authority is no signing oracle: it reads the very bytes it will sign and checks
them against the certificate profile again, whatever the worker said (architecture §1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.domain.certificates import (
    CertificateRecord,
    CertificateSource,
    CertificateState,
    CertificateStatus,
)
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import (
    CertificateRefused,
    InternalError,
    IssuerUnavailable,
    StoreUnavailable,
)
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.order import Order
from certctl.domain.policy import CertificateProfile, check_contents
from certctl.domain.ports import Issuer, SignedCertificate
from certctl.domain.profiles import Operation
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name

REPETITION_WINDOW_US = DAY_US

_SUCCESS: Mapping[Operation, tuple[AuditAction, Counter]] = {
    Operation.SIMPLEENROLL: (AuditAction.SIMPLE_ENROLL_SUCCESS, Counter.SUCCESS_SIMPLEENROLL),
    Operation.SIMPLEREENROLL: (
        AuditAction.SIMPLE_REENROLL_SUCCESS,
        Counter.SUCCESS_SIMPLEREENROLL,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """A signed order with everything that goes on record with it."""

    record: CertificateRecord
    repetition: tuple[bytes, str, int]
    event: AuditEvent
    counter: Counter


class IssuingRules:
    """Issuers and certificate profiles as this node has them now."""

    __slots__ = ("_certificate_profiles", "_issuers")

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        certificate_profiles: Mapping[str, CertificateProfile],
    ) -> None:
        self._issuers = issuers
        self._certificate_profiles = certificate_profiles

    def fulfil(self, order: Order, *, certificate_id: str, now_us: int) -> Fulfilled:
        """Check again, sign, and say what to record. Nothing is on record yet.

        Raises:
            PolicyViolation: what would be signed is not allowed.
            IssuerUnavailable: the key cannot be used now.
            StoreUnavailable: the certificate profile is gone.
        """
        issuer = self._issuers.get(order.issuer_id)
        if issuer is None:
            raise IssuerUnavailable(f"issuer {order.issuer_id}", retry_after=60)
        profile = self._certificate_profiles.get(order.certificate_profile)
        if profile is None or not profile.enabled:
            what = f"certificate profile {order.certificate_profile}"
            raise StoreUnavailable(what, retry_after=60)
        subject = decode_name(order.subject_der)
        sans = decode_general_names(order.san_der) if order.san_der else ()
        public_key = load_public_key(order.spki_der)
        check_contents(subject, sans, public_key, profile)
        signed = issuer.sign(
            order,
            profile.allowed_ekus,
            now_us=now_us,
            backdate_us=profile.backdate_seconds * SECOND_US,
            lifetime_us=profile.max_ttl_seconds * SECOND_US,
        )
        record = _record(
            order,
            signed,
            certificate_id=certificate_id,
            now_us=now_us,
            subject=subject.text(),
            sans=tuple(map(str, sans)),
            key_algorithm=str(describe_key(public_key)),
        )
        about: dict[str, str | int | list[str]] = {
            "serial": record.serial,
            "subject": record.subject,
            "sans": list(record.sans),
        }
        event, counter = _event(order, about, now_us=now_us, certificate_id=certificate_id)
        return Fulfilled(
            record=record,
            repetition=(order.repetition_key, certificate_id, now_us + REPETITION_WINDOW_US),
            event=event,
            counter=counter,
        )


def require_good_credential(order: Order, state: CertificateState | None, now_us: int) -> None:
    """Gate 10: the certificate that authenticated the caller, as the record says *now*.

    Raises:
        CertificateRefused: revoked, expired, or no longer known.
    """
    if state is None:
        if order.credential_own:
            raise _refused("untrusted", order)
        return
    if state.status is not CertificateStatus.VALID:
        raise _refused("revoked", order)
    if state.not_after_us < now_us:
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
    if order.registration_authority:
        details["registration_authority"] = order.credential_subject
    event = AuditEvent(
        time_us=now_us,
        actor=f"est-client:{order.principal}",
        actor_type="est-client",
        action=action,
        outcome=Outcome.SUCCESS,
        profile=order.profile,
        resource_type="certificate",
        resource_id=certificate_id,
        source_address=order.source_address,
        request_id=order.request_id,
        auth_mode=order.auth_mode.value,
        client_certificate_subject=order.credential_subject,
        client_certificate_serial=order.credential_serial,
        tls_version=order.tls_version,
        details=details,
        tenant=order.tenant,
    )
    return event, counter


def _record(
    order: Order,
    signed: SignedCertificate,
    *,
    certificate_id: str,
    now_us: int,
    subject: str,
    sans: tuple[str, ...],
    key_algorithm: str,
) -> CertificateRecord:
    return CertificateRecord(
        id=certificate_id,
        serial=signed.serial,
        profile=order.profile,
        certificate_profile=order.certificate_profile,
        issuer_id=order.issuer_id,
        principal=order.principal,
        auth_mode=order.auth_mode.value,
        subject=subject,
        subject_der=order.subject_der,
        sans=sans,
        san_der=order.san_der,
        key_algorithm=key_algorithm,
        spki_sha256=hashlib.sha256(order.spki_der).digest(),
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
    )
