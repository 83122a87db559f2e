"""From an authenticated caller and a proven CSR to an order, or a refusal (policy §1-§3, §5).

The authority checks an order's contents once more; what is checked only here are the
rules that need the caller and the request side by side.
"""

from __future__ import annotations

import hashlib

from certctl.domain.csr import Csr
from certctl.domain.errors import NotAllowed, Unavailable
from certctl.domain.names import same_subject
from certctl.domain.order import Order
from certctl.domain.policy import CertificateProfile, check_contents, check_request
from certctl.domain.principal import Principal
from certctl.domain.profiles import Operation
from certctl.domain.san import same_sans
from certctl.enroll.binding import Binding
from certctl.enroll.identity import require_identity
from certctl.enroll.ports import Ports
from certctl.enroll.request import EstRequest
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import repetition_input, strip_challenges

BUILT_IN_PROFILE = "default"


def authorize(
    csr: Csr, caller: Principal, request: EstRequest, *, binding: Binding, ports: Ports
) -> Order:
    """Decide what this caller gets for this CSR.

    Raises:
        NotAllowed: a renewal that is none, or a name that is not the caller's.
        PolicyViolation: the certificate profile does not allow it.
        Unavailable: the certificate profile is missing or disabled: never "no rules".
    """
    certificate_profile = _certificate_profile(request, ports)
    if request.operation is not Operation.SIMPLEREENROLL:
        require_identity(csr, caller, request.profile.identity_binding)
    renews = _renewed(csr, caller, request, ports)
    requested = check_request(csr, certificate_profile)
    check_contents(
        decode_name(csr.subject_der),
        decode_general_names(csr.san_der) if csr.san_der else (),
        csr.public_key,
        certificate_profile,
    )
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
        subject_der=csr.subject_der,
        spki_der=csr.spki_der,
        san_der=csr.san_der,
        key_agreement=requested.key_agreement,
        csr_der=strip_challenges(csr),
        csr_sha256=hashlib.sha256(csr.der).digest(),
        repetition_key=_repetition_key(csr, caller, request, certificate_profile),
        credential=credential.fingerprint if credential else None,
        credential_own=credential.own if credential else False,
        credential_subject=credential.subject if credential else "",
        credential_serial=credential.serial if credential else "",
        credential_issuer=credential.issuer if credential else "",
        registration_authority=caller.registration_authority,
        renews=renews,
        tenant=request.profile.tenant,
    )


def _certificate_profile(request: EstRequest, ports: Ports) -> CertificateProfile:
    wanted = request.profile.certificate_profile_id or BUILT_IN_PROFILE
    found = ports.certificate_profiles.get(wanted)
    if found is None or not found.enabled:
        raise Unavailable(f"certificate profile {wanted}", retry_after=60)
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


def _renewed(csr: Csr, caller: Principal, request: EstRequest, ports: Ports) -> str | None:
    """RFC 7030 §4.2.2: a renewal keeps subject and SAN of what it renews.

    Without a certificate of the thing renewed (a password, or a registration authority
    that asks for another) it is the newest valid certificate on record of this profile
    with that subject and SAN.
    """
    if request.operation is not Operation.SIMPLEREENROLL:
        return None
    if caller.credential is None or caller.registration_authority:
        return _newest_on_record(csr, request, ports)
    if request.profile.same_subject:
        _require_same_names(csr, caller.credential.subject_der, caller.credential.san_der)
    return caller.credential.certificate_id


def _newest_on_record(csr: Csr, request: EstRequest, ports: Ports) -> str:
    candidates = ports.records.newest_valid(request.profile.path_id, csr.subject_der, ports.clock())
    for candidate in candidates:
        if _same_san_der(csr.san_der, candidate.san_der):
            return candidate.id
    raise NotAllowed("nothing_to_renew", got=decode_name(csr.subject_der).text())


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
