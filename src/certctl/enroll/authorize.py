"""From an authenticated caller and a proven CSR to an order, or a refusal (policy §1-§3, §5).

The authority checks an order's contents once more; what is checked only here are the
rules that need the caller and the request side by side.
"""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from certctl.domain.common_name import san_of_common_name
from certctl.domain.csr import Csr
from certctl.domain.errors import CertificateProfileUnavailable, NotAllowed, PolicyViolation
from certctl.domain.known_weak import check_known_weak
from certctl.domain.names import DistinguishedName, same_subject
from certctl.domain.order import Order
from certctl.domain.policy import (
    DEFAULT_PROFILE,
    CertificateProfile,
    Granted,
    check_attributes,
    check_change,
    check_contents,
    check_request,
    request_types,
)
from certctl.domain.principal import Principal
from certctl.domain.profiles import EstProfile, OnReenroll, Operation, ReenrollKey
from certctl.domain.rules import Judge, Rule, strict
from certctl.domain.san import GeneralName, same_sans
from certctl.enroll.binding import Binding
from certctl.enroll.identity import require_identity
from certctl.enroll.ports import JudgingPorts
from certctl.enroll.request import EstRequest
from certctl.wire.certified_key import certifies_key
from certctl.wire.general_names import append_general_name, decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import repetition_input, strip_challenges


def authorize(
    csr: Csr,
    caller: Principal,
    request: EstRequest,
    *,
    binding: Binding,
    ports: JudgingPorts,
    judge: Judge = strict,
) -> Order:
    """Decide what this caller gets for this CSR.

    Raises:
        NotAllowed: a renewal that is none, or a name that is not the caller's.
        PolicyViolation: the certificate profile does not allow it.
        CertificateProfileUnavailable: missing or disabled, which is never "no rules".
    """
    certificate_profile = wanted_profile(request.profile, ports)
    original = csr
    with judge(Rule.READABLE_NAMES):
        csr = _with_common_name(csr, certificate_profile)
    with judge(Rule.IDENTITY):
        if request.operation is not Operation.SIMPLEREENROLL:
            require_identity(original, caller, request.profile.identity_binding)
    renews: str | None = None
    with judge(Rule.RENEWAL):
        renews = _renewed_either(csr, original, caller, request, ports)
    subject_der, san_der = csr.subject_der, csr.san_der
    with judge(Rule.NEW_NAMES):
        subject_der, san_der = _names(csr, original, request, certificate_profile)
    subject = DistinguishedName(rdns=())
    sans: tuple[GeneralName, ...] = ()
    with judge(Rule.READABLE_NAMES):
        subject = decode_name(subject_der)
        sans = decode_general_names(san_der) if san_der else ()
    requested = Granted(key_agreement=False, dropped=())
    with judge(Rule.EXTENSIONS):
        requested = check_request(csr, certificate_profile)
    with judge(Rule.ATTRIBUTES):
        if certificate_profile.required_csr_attributes:
            check_attributes(request_types(csr), subject, certificate_profile)
    check_contents(subject, sans, csr.public_key, certificate_profile, judge=judge)
    with judge(Rule.KNOWN_WEAK_KEY):
        check_known_weak(csr.public_key)
    credential = caller.credential
    return Order(
        request_id=request.request_id,
        operation=request.operation,
        profile=request.profile.path_id,
        certificate_profile=certificate_profile.id,
        issuer_id=request.profile.issuer_id,
        principal=caller.name,
        auth_mode=caller.auth_mode,
        source_address=request.source,
        tls_version=request.tls.version,
        channel_binding=binding.value,
        subject_der=subject_der,
        spki_der=csr.spki_der,
        san_der=san_der,
        key_agreement=requested.key_agreement,
        csr_der=strip_challenges(csr),
        csr_sha256=hashlib.sha256(csr.der).digest(),
        repetition_key=_repetition_key(csr, caller, request, certificate_profile),
        credential=credential.fingerprint if credential else None,
        credential_own=credential.own if credential else False,
        credential_subject=credential.subject if credential else "",
        credential_serial=credential.serial if credential else "",
        via=request.tls.via,
        credential_issuer=credential.issuer if credential else "",
        registration_authority=caller.registration_authority,
        renews=renews,
        grace_us=request.profile.reenroll_grace_us if renews else 0,
        supersedes=bool(renews) and request.profile.on_reenroll is OnReenroll.REVOKE_OLD,
        renames=csr.changed_names is not None,
        limit_24h=request.profile.limit_24h,
        tenant=request.profile.tenant,
    )


def wanted_profile(est_profile: EstProfile, ports: JudgingPorts) -> CertificateProfile:
    """The certificate profile that an EST profile names, as it is now.

    Raises:
        CertificateProfileUnavailable: it is missing or disabled.
    """
    wanted = est_profile.certificate_profile_id or DEFAULT_PROFILE.id
    found = ports.certificate_profiles.get(wanted)
    if found is None or not found.enabled:
        raise CertificateProfileUnavailable(f"certificate profile {wanted}", retry_after=60)
    return found


def _repetition_key(
    csr: Csr, caller: Principal, request: EstRequest, profile: CertificateProfile
) -> bytes:
    """Equal for the same request by the same caller under the same rules (policy §5)."""
    key = hashlib.sha256()
    for part in (request.profile.path_id, request.operation.value, caller.key, profile.digest):
        octets = part.encode("utf-8", "surrogatepass")
        key.update(len(octets).to_bytes(4, "big") + octets)
    key.update(repetition_input(csr))
    return key.digest()


def _with_common_name(csr: Csr, profile: CertificateProfile) -> Csr:
    """With the common name among its SANs where the profile says so (``cn_as_san``)."""
    if not profile.cn_as_san:
        return csr
    san_der = _san_with_common_name(decode_name(csr.subject_der), csr.san_der, profile)
    return csr if san_der == csr.san_der else replace(csr, san_der=san_der)


def _san_with_common_name(
    subject: DistinguishedName, san_der: bytes, profile: CertificateProfile
) -> bytes:
    sans = decode_general_names(san_der) if san_der else ()
    name = san_of_common_name(subject, sans, profile.allowed_san_types)
    return san_der if name is None else append_general_name(san_der, name)


def _renewed_either(
    csr: Csr, original: Csr, caller: Principal, request: EstRequest, ports: JudgingPorts
) -> str | None:
    """With the copied common name, or as the request came: what is renewed may be from
    before ``cn_as_san`` was switched on, and the name copied is its own.
    """
    try:
        return _renewed(csr, caller, request, ports)
    except NotAllowed:
        if csr is original:
            raise
        return _renewed(original, caller, request, ports)


def _renewed(csr: Csr, caller: Principal, request: EstRequest, ports: JudgingPorts) -> str | None:
    """RFC 7030 §4.2.2: a renewal keeps subject and SAN of what it renews.

    Without a certificate of the thing renewed (a password, or a registration authority
    that asks for another) it is the newest valid certificate on record of this profile
    with that subject and SAN.
    """
    if request.operation is not Operation.SIMPLEREENROLL:
        return None
    profile = request.profile
    key_counts = profile.reenroll_key is not ReenrollKey.ANY
    if caller.credential is None or caller.registration_authority:
        renewed_id = _newest_on_record(csr, request, ports)
        if key_counts:
            record = ports.records.certificate(renewed_id)
            _require_key(csr, record.der if record else b"", profile.reenroll_key)
        return renewed_id
    if profile.same_subject or csr.changed_names is not None:
        _require_same_names(csr, caller.credential.subject_der, caller.credential.san_der)
    if key_counts:
        _require_key(csr, request.tls.peer_chain[0], profile.reenroll_key)
    return caller.credential.certificate_id


def _names(
    csr: Csr, original: Csr, request: EstRequest, profile: CertificateProfile
) -> tuple[bytes, bytes]:
    """Subject and SANs (DER) that are asked for; ``csr`` is ``original`` with its CN copied.

    RFC 6402 §2.8: in a renewal, where the certificate profile allows it, they may be
    others than those of the CSR, which are the old ones.
    """
    asked = csr.changed_names
    if asked is None:
        return csr.subject_der, csr.san_der
    if request.operation is not Operation.SIMPLEREENROLL:
        raise PolicyViolation(
            "attribute",
            wanted="ChangeSubjectName (RFC 6402 §2.8) in renewals only",
            got=f"ChangeSubjectName in {request.operation.value}",
        )
    check_change(profile)
    subject_der = csr.subject_der if asked.subject_der is None else asked.subject_der
    san_der = original.san_der if asked.san_der is None else asked.san_der
    if profile.cn_as_san:
        san_der = _san_with_common_name(decode_name(subject_der), san_der, profile)
    return subject_der, san_der


def _newest_on_record(csr: Csr, request: EstRequest, ports: JudgingPorts) -> str:
    # What expired within the grace time still renews, without a client certificate too.
    since_us = ports.clock() - request.profile.reenroll_grace_us
    found = ports.records.newest_valid(
        request.profile.path_id, csr.subject_der, csr.san_der, since_us
    )
    if found is None:
        raise NotAllowed("nothing_to_renew", got=decode_name(csr.subject_der).text())
    return found.id


def _require_key(csr: Csr, renewed_der: bytes, rule: ReenrollKey) -> None:
    """Keys are compared as keys: the same one in another encoding is no new one."""
    same = certifies_key(renewed_der, csr.public_key)
    if rule is ReenrollKey.NEW and same:
        raise NotAllowed("key_not_new")
    if rule is ReenrollKey.SAME and not same:
        raise NotAllowed("key_changed")


def _require_same_names(csr: Csr, subject_der: bytes, san_der: bytes) -> None:
    if csr.subject_der != subject_der:
        wanted, got = decode_name(subject_der), decode_name(csr.subject_der)
        if not same_subject(wanted, got):
            raise NotAllowed("subject_changed", wanted=wanted.text(), got=got.text())
    if not _same_san_der(csr.san_der, san_der):
        raise NotAllowed(
            "san_changed", wanted=_san_text(san_der) or "none", got=_san_text(csr.san_der) or "none"
        )


def _same_san_der(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    if not one or not other:
        return False
    return same_sans(decode_general_names(one), decode_general_names(other))


def _san_text(der: bytes) -> str:
    return ", ".join(str(name) for name in decode_general_names(der)) if der else ""
