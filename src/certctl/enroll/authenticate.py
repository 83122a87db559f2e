"""Who is calling (est §3): the only place that makes a ``Principal``.

TLS proved that the caller holds the key of the certificate it showed; whether that
certificate opens *this* profile is judged here, per request, and never elsewhere.
Unknown means no: every path that is not an explicit yes ends in a refusal.
"""

from __future__ import annotations

from msgspec.structs import replace

from certctl.domain.certificates import CertificateState, CertificateStatus
from certctl.domain.errors import (
    AuthenticationFailure,
    CertificateRefused,
    CredentialMissing,
    LockedOut,
    WrongPassword,
)
from certctl.domain.inventory import IMPORTED_PROFILE
from certctl.domain.lockout import locked_seconds, source_key
from certctl.domain.ports import ClientTrust
from certctl.domain.principal import Credential, Principal
from certctl.domain.profiles import AuthMode, EstProfile, OnReenroll, Operation, Route
from certctl.domain.revocation import RevocationReason
from certctl.enroll.ports import JudgingPorts
from certctl.enroll.request import EstRequest
from certctl.wire.basic import BasicCredentials, decode_basic

ANONYMOUS = Principal(name="anonymous", key="anonymous", auth_mode=AuthMode.ANONYMOUS)


def authenticate(request: EstRequest, ports: JudgingPorts) -> Principal:
    """Apply the table of est §3 to one request.

    Raises:
        CredentialMissing: a challenge is due.
        LockedOut: the source tried too many wrong passwords; this one was not looked at.
        WrongPassword: Basic was tried and does not open this profile.
        CertificateRefused: a certificate is needed here and none acceptable was shown.
    """
    profile = request.profile
    if request.route is Route.MTLS:
        return _by_certificate(request, ports)

    refused: AuthenticationFailure | None = None
    if profile.mtls and (request.tls.peer_chain or not (profile.basic or profile.anonymous)):
        try:
            return _by_certificate(request, ports)
        except CertificateRefused as failure:
            refused = failure
    if profile.basic and request.authorization is not None:
        _require_open_source(request.source, ports)
        return _by_password(request.authorization, profile, ports)
    if refused is not None:
        raise refused
    if profile.anonymous:
        return ANONYMOUS
    raise CredentialMissing


def _require_open_source(source: str, ports: JudgingPorts) -> None:
    """Gate 3, as far as it is on record already; the authority judges for good."""
    row = ports.records.lockout(source_key(source))
    if row is not None:
        seconds = locked_seconds(row, ports.lockout, ports.clock())
        if seconds:
            raise LockedOut(retry_after=seconds, failures=row.failures)


def _by_password(authorization: str, profile: EstProfile, ports: JudgingPorts) -> Principal:
    """RFC 7617 Basic with this profile's password; the user name is only recorded."""
    given = decode_basic(authorization)
    if not isinstance(given, BasicCredentials):
        raise WrongPassword
    expected = ports.passwords.get(profile.path_id)
    if expected is None or not expected.matches(given.password):
        raise WrongPassword(user=given.user)
    return Principal(name=given.user, key=f"basic:{given.user}", auth_mode=AuthMode.BASIC)


def _by_certificate(request: EstRequest, ports: JudgingPorts) -> Principal:
    if not request.tls.peer_chain:
        raise CertificateRefused("missing")
    credential = judge_certificate(request, ports)
    return Principal(
        name=credential.subject or f"serial:{credential.serial}",
        key=f"certificate:{credential.fingerprint.hex()}",
        auth_mode=AuthMode.MTLS,
        credential=credential,
    )


def judge_certificate(request: EstRequest, ports: JudgingPorts) -> Credential:
    """Is the certificate shown a credential for this profile and operation?

    A certificate on record here is judged by its record first: its status is known at
    once, while a chain alone would still look fine. A certificate issued under another
    profile is no credential even if the bundles overlap (est §3). A registration
    authority is one by the operator's list, whichever profile it was issued under.
    """
    profile = request.profile
    now_us = ports.clock()
    leaf = request.tls.peer_chain[0]
    trust = ports.trust[profile.path_id]
    state = ports.records.state_of(trust.identify(leaf))
    authorities = ports.registration_authorities.get(profile.path_id)
    authority = authorities.recognise(leaf, now_us) if authorities is not None else None
    if authority is not None:
        if state is not None:
            _require_good(state, authority, now_us, renewing=None)
        return replace(authority, own=state is not None, registration_authority=True)
    if state is not None and state.profile == IMPORTED_PROFILE:
        # Somebody else's that is on record: it can be revoked here, and opens nothing
        # that its chain does not open.
        _require_good(state, trust.describe(leaf), now_us, renewing=None)
        return trust.verify(request.tls.peer_chain, now_us)
    if state is None:
        return trust.verify(request.tls.peer_chain, now_us)

    shown = trust.describe(leaf)
    renews = request.operation is Operation.SIMPLEREENROLL and state.profile == profile.path_id
    _require_good(state, shown, now_us, renewing=profile if renews else None)
    own = replace(
        shown,
        own=True,
        certificate_id=state.id,
        subject_der=state.subject_der,
        san_der=state.san_der,
    )
    if state.profile != profile.path_id:
        if state.profile not in profile.accept_from_profiles:
            raise _refused("other_profile", shown)
        return own
    if request.operation is Operation.SIMPLEENROLL:
        # A renewal credential is not an enrollment credential: only the bundle opens this.
        return _enrolls_by_bundle(request, trust, now_us, own)
    return own


def _enrolls_by_bundle(
    request: EstRequest, trust: ClientTrust, now_us: int, own: Credential
) -> Credential:
    if request.profile.mtls_own_only:
        raise _refused("untrusted", own)
    trust.verify(request.tls.peer_chain, now_us)
    return own


def _require_good(
    state: CertificateState, shown: Credential, now_us: int, *, renewing: EstProfile | None
) -> None:
    """``renewing`` is the profile whose rules of renewal stretch this, where they do."""
    if state.status is not CertificateStatus.VALID:
        # Superseded by a renewal whose answer was lost: the authority tells whether this
        # is that very request again, and refuses everything else.
        lost = renewing is not None and renewing.on_reenroll is OnReenroll.REVOKE_OLD
        if not (lost and state.revocation_reason == RevocationReason.SUPERSEDED):
            raise _refused("revoked", shown)
    grace_us = renewing.reenroll_grace_us if renewing is not None else 0
    if now_us > state.not_after_us + grace_us:
        raise _refused("expired", shown)
    if now_us < state.not_before_us:
        raise _refused("not_yet_valid", shown)


def _refused(reason: str, shown: Credential) -> CertificateRefused:
    return CertificateRefused(
        reason, subject=shown.subject, issuer=shown.issuer, serial=shown.serial
    )
