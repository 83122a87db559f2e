"""EST profiles as they are served, and the reload of their trust: ``/admin/est``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, Field

from certctl.authority.commands import ReloadTrust, TrustReloaded
from certctl.domain.api_keys import Role
from certctl.domain.audit import Counter
from certctl.domain.clock import DAY_US
from certctl.domain.errors import NotFound
from certctl.domain.policy import DEFAULT_PROFILE
from certctl.domain.ports import Records
from certctl.domain.trust_report import AnchorReport
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Moment, ShortText, Strict, moment
from certctl.web.api.services import Ask, ProfileFacts, Services


class TrustAnchor(BaseModel):
    """``days_to_expiry`` is below zero once it has expired; ``serial`` is hexadecimal."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: Moment
    not_after: Moment
    days_to_expiry: int
    expired: bool


class EstProfileOut(BaseModel):
    """One EST profile; ``path_id`` is empty for the legacy root."""

    path_id: str
    issuer_id: str
    profile_id: str
    auth_modes: list[str]
    mtls_enabled: bool
    basic_auth_configured: bool
    server_keygen_enabled: bool
    channel_binding_required: bool
    rate_limit: int = Field(description="Certificates per name and source in 24 hours; 0: none.")
    tenant: str | None
    counters: dict[str, int]
    trust_anchors: list[TrustAnchor]
    trust_anchor_path: str | None
    trust_loaded_at: Moment | None
    trust_notes: list[str]
    lint: list[str]
    urls: list[str]


class EstProfiles(BaseModel):
    profiles: list[EstProfileOut]
    now: Moment


class Reload(Strict):
    """The EST profile whose bundle is to be read again; empty for the legacy root."""

    path_id: ShortText


class Reloaded(BaseModel):
    """``added`` and ``removed`` name anchors: subject and SHA-256."""

    reloaded: bool
    path_id: str
    reloaded_at: Moment
    changed: bool
    added: list[str]
    removed: list[str]
    count: int


async def est_profiles(ask: Ask) -> EstProfiles:
    """EST profiles with counters, anchors in force, findings and addresses."""
    api = ask.services
    now_us = api.clock()
    seen = seen_by(ask)
    shown = await api.read(partial(_shown, seen, api, now_us))
    return EstProfiles(profiles=shown, now=moment(now_us))


def seen_by(ask: Ask) -> list[ProfileFacts]:
    """The EST profiles that concern a caller."""
    return [
        each
        for each in ask.services.profiles
        if ask.caller.visible.covers(tenant=each.profile.tenant, profile=each.profile.path_id)
    ]


async def reload_trust(body: Reload, ask: Ask) -> Reloaded:
    """Read the trust bundle of one EST profile again; a bad one keeps the old anchors."""
    api = ask.services
    found = [each.profile for each in api.profiles if each.profile.path_id == body.path_id]
    if not found or not ask.caller.visible.covers(tenant=found[0].tenant, profile=body.path_id):
        raise NotFound(f"EST profile {body.path_id}")
    command = ReloadTrust(path_id=body.path_id, actor=ask.caller.actor)
    done = await ask.do(command, TrustReloaded)
    return Reloaded(
        reloaded=True,
        path_id=done.change.path_id,
        reloaded_at=moment(done.reloaded_us),
        changed=done.change.changed,
        added=list(done.change.added),
        removed=list(done.change.removed),
        count=done.change.count,
    )


def _shown(
    seen: list[ProfileFacts], api: Services, now_us: int, records: Records
) -> list[EstProfileOut]:
    counted = counters_of(seen, records)
    return [_profile(each, counted[each.profile.path_id], api, now_us) for each in seen]


def counters_of(seen: Sequence[ProfileFacts], records: Records) -> dict[str, dict[str, int]]:
    """Counters by path ID and label."""
    counts = records.counts()
    return {
        each.profile.path_id: {
            label.value: counts.get((each.profile.path_id, label), 0) for label in Counter
        }
        for each in seen
    }


def _profile(
    facts: ProfileFacts, counters: dict[str, int], api: Services, now_us: int
) -> EstProfileOut:
    profile = facts.profile
    trust = api.trust(profile.path_id, now_us)
    return EstProfileOut(
        path_id=profile.path_id,
        issuer_id=profile.issuer_id,
        profile_id=profile.certificate_profile_id or DEFAULT_PROFILE.id,
        auth_modes=sorted(mode.value for mode in profile.auth_modes) or ["anonymous"],
        mtls_enabled=profile.mtls,
        basic_auth_configured=profile.basic,
        server_keygen_enabled=False,
        channel_binding_required=profile.binding_required,
        rate_limit=profile.limit_24h,
        tenant=profile.tenant,
        counters=counters,
        trust_anchors=[_anchor(each, now_us) for each in trust.anchors],
        trust_anchor_path=facts.trust_anchor_path,
        trust_loaded_at=moment(trust.accepted_us) if trust.accepted_us is not None else None,
        trust_notes=list(trust.notes),
        lint=list(facts.lint),
        urls=list(facts.urls),
    )


def _anchor(anchor: AnchorReport, now_us: int) -> TrustAnchor:
    return TrustAnchor(
        subject=anchor.subject,
        issuer=anchor.issuer,
        serial=anchor.serial,
        sha256=anchor.sha256,
        not_before=moment(anchor.not_before_us),
        not_after=moment(anchor.not_after_us),
        days_to_expiry=(anchor.not_after_us - now_us) // DAY_US,
        expired=anchor.expired,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/admin/est/profiles",
        handler=est_profiles,
        summary="EST profiles with counters and trust anchors",
        role=Role.ADMIN,
        answer=EstProfiles,
        tag="EST",
    ),
    Endpoint(
        method="POST",
        path="/admin/est/reload-trust",
        handler=reload_trust,
        summary="Read a trust bundle again",
        role=Role.ADMIN,
        answer=Reloaded,
        example={"path_id": "corp"},
        tag="EST",
    ),
)
