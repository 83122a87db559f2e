"""A request explained on the host: every gate judges it, and nothing is issued or kept.

Reads what a server would judge by: its records, the trust bundles in force (the files
where no server runs), the certificate profiles and the public part of its CA. Nothing here
can write or sign: there is no authority behind it (``enroll.ports.JudgingPorts``), and the
CA's key is not opened.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping

from certctl.authority.explain import explain_order
from certctl.authority.issue import IssuingRules
from certctl.domain.clock import Clock
from certctl.domain.connection import TLSInfo
from certctl.domain.errors import BodyTooLarge, NotFound
from certctl.domain.explanation import Explanation, Question
from certctl.domain.ports import ClientTrust, Issuer, RegistrationAuthorities
from certctl.domain.profiles import EstProfile, Route, profile_name
from certctl.domain.rules import Collector, Rule
from certctl.domain.stored_issuers import IssuerState
from certctl.enroll.explain import explain_request
from certctl.enroll.passwords import PasswordDigest
from certctl.enroll.ports import JudgingPorts
from certctl.enroll.request import EstRequest
from certctl.issuers.lint import lint_certificate
from certctl.issuers.preview import preview_ca
from certctl.issuers.withheld import WithheldIssuer
from certctl.obs.log import Log
from certctl.settings.schema import EstProfileSettings, Settings
from certctl.store import SqlRecords
from certctl.trust.accepted import REGISTRATION, load_accepted, profile_trust
from certctl.trust.bundle import load_bundle
from certctl.trust.registration import RegistrationAuthorities as ListedAuthorities
from certctl.trust.registration import load_registration_authorities
from certctl.wiring.certificate_profiles import open_certificate_profiles
from certctl.wiring.issuer_directory import KnownIssuer, known_issuers
from certctl.wiring.reload import registration_directory, trust_directory

NOT_ISSUED = "explained"
"""Stands where a request id would be: no request came, and none is on record."""

_NO_SOURCE = "0.0.0.0"


def explain(
    settings: Settings,
    question: Question,
    records: SqlRecords,
    *,
    running: bool,
    log: Log,
    clock: Clock,
) -> Explanation:
    """Judge a request by every rule; ``running``: by what a running server has accepted.

    Raises:
        NotFound: there is no such EST profile, or no issuer for it.
        BundleRefused, CertificateProfilesRefused, OSError: what to judge by cannot be read.
    """
    chosen = _profile(settings, question.path_id)
    profile, now_us = chosen.profile, clock()
    certificate_profiles = open_certificate_profiles(settings, records, log)
    known = {each.id: each for each in known_issuers(settings, records.stored_issuers())}
    password = secrets.token_urlsafe()
    ports = JudgingPorts(
        records=records,
        trust={profile.path_id: _trust(settings, chosen, now_us, running=running)},
        passwords={profile.path_id: PasswordDigest.of(password, secrets.token_bytes(32))},
        certificate_profiles=certificate_profiles,
        clock=lambda: now_us,
        registration_authorities=_authorities(
            settings, chosen, _issuer(known, profile).chain[0], running=running
        ),
        lockout=settings.est.lockout,
    )
    judge = Collector()
    with judge(Rule.BODY):
        if len(question.body) > settings.server.est_max_body:
            raise BodyTooLarge(settings.server.est_max_body)
    order = explain_request(
        _request(question, profile, password),
        ports,
        judge,
        credential_given=question.user is not None or bool(question.chain),
        has_hook=chosen.device_state_hook is not None,
    )
    would_be = None
    if order is not None:
        issuers: Mapping[str, Issuer] = {
            each.id: preview_ca(each.id, each.chain, lifetime_us=each.lifetime_us)
            if each.state is IssuerState.ENABLED
            else WithheldIssuer(each.id, each.chain, why=each.state.value)
            for each in known.values()
        }
        rules = IssuingRules(issuers, certificate_profiles, lint=lint_certificate)
        if profile.limit_24h and not question.source:
            judge.not_judged(Rule.LIMIT, "it counts by the client's address, and none was given")
        would_be = explain_order(
            order, records, rules, now_us=now_us, lockout=settings.est.lockout, judge=judge
        )
    return Explanation(
        profile=profile.path_id,
        operation=question.operation,
        findings=judge.findings("a rule before it already refuses"),
        would_be=would_be,
    )


def _issuer(known: Mapping[str, KnownIssuer], profile: EstProfile) -> KnownIssuer:
    found = known.get(profile.issuer_id)
    if found is None:
        raise NotFound(f"issuer {profile.issuer_id} of this EST profile")
    return found


def _profile(settings: Settings, path_id: str) -> EstProfileSettings:
    for each in settings.est.profiles:
        if each.profile.path_id == path_id:
            return each
    known = ", ".join(profile_name(each.profile.path_id) for each in settings.est.profiles)
    raise NotFound(f"EST profile {path_id!r}; there are: {known or 'none'}")


def _request(question: Question, profile: EstProfile, password: str) -> EstRequest:
    authorization = None
    if question.user is not None:
        pair = f"{question.user}:{password}".encode()
        authorization = "Basic " + base64.b64encode(pair).decode()
    return EstRequest(
        request_id=NOT_ISSUED,
        profile=profile,
        route=Route.STANDARD,
        operation=question.operation,
        tls=TLSInfo(version=question.tls_version, exporter=None, peer_chain=question.chain),
        source=question.source or _NO_SOURCE,
        authorization=authorization,
        body=question.body,
    )


def _trust(
    settings: Settings, chosen: EstProfileSettings, now_us: int, *, running: bool
) -> ClientTrust:
    if chosen.trust_bundle_path is None:
        return profile_trust(None)
    if running:
        path_id = chosen.profile.path_id
        bundle = load_accepted(trust_directory(settings.server), path_id).bundle
    else:
        bundle = load_bundle(chosen.trust_bundle_path, now_us=now_us)
    return profile_trust(bundle, require_crl=chosen.crl_required)


def _authorities(
    settings: Settings, chosen: EstProfileSettings, issuer: bytes, *, running: bool
) -> dict[str, RegistrationAuthorities]:
    path, path_id = chosen.ra_certificates_path, chosen.profile.path_id
    if path is None:
        return {}
    if running:
        directory = registration_directory(settings.server)
        listed = load_accepted(directory, path_id, REGISTRATION).bundle
    else:
        listed = load_registration_authorities(path, now_us=0)
    return {path_id: ListedAuthorities(listed.ders, issuer)}
