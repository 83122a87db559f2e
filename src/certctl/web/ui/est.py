"""``/est``, EST Admin: profiles, their trust bundles, and the reload of one (operator §2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TypeVar

from certctl.domain.api_keys import Role
from certctl.domain.errors import NotFound, TrustRefused
from certctl.domain.trust_change import TrustChange
from certctl.web.answers import Answer
from certctl.web.api.est_profiles import (
    EstProfileOut,
    Reload,
    counters_of,
    est_profiles,
    reload_trust,
    seen_by,
)
from certctl.web.api.problems import ApiRefused, refusal_of
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Streaming, Visit

AnyAnswer = TypeVar("AnyAnswer", Answer, Answer | Streaming)

GREEN_DAYS = 30
AMBER_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One profile; ``name`` is what its test ids carry, ``tone`` of its trust countdown."""

    profile: EstProfileOut
    name: str
    days: int | None
    tone: str
    countdown: str
    cacerts: str


def admins_only(
    handler: Callable[[Visit], Awaitable[AnyAnswer]],
) -> Callable[[Visit], Awaitable[Answer | AnyAnswer]]:
    """Says what is needed and asks nothing that needs an admin; writes are guarded anyway."""

    @wraps(handler)
    async def guarded(visit: Visit) -> Answer | AnyAnswer:
        if visit.role is not Role.ADMIN:
            return visit.page("est_denied.html", status=403)
        return await handler(visit)

    return guarded


@admins_only
async def profiles(visit: Visit) -> Answer:
    return visit.page("est_profiles.html", tab="profiles", cards=await _cards(visit))


async def counters(visit: Visit) -> Answer:
    """The counters of all cards at once, for one question of each page that is open: what
    else the cards say takes a look at every trust bundle.
    """
    seen = seen_by(visit.ask)
    counted = await visit.services.read(partial(counters_of, seen))
    named = {path_id or "root": labels for path_id, labels in counted.items()}
    return visit.page("est_counters.html", counted=named, again=True)


@admins_only
async def trust(visit: Visit) -> Answer:
    cards = [each for each in await _cards(visit) if each.profile.mtls_enabled]
    return visit.page("est_trust.html", tab="trust", cards=cards)


async def reload_dialog(visit: Visit) -> Answer:
    """What a reload would change, before anybody confirms it."""
    path_id = visit.query.get("path_id", "")
    await _require_profile(visit, path_id)
    preview: TrustChange | None = None
    refused: ApiRefused | None = None
    try:
        preview = await visit.services.read(
            lambda _: visit.services.trust_preview(path_id, visit.services.clock())
        )
    except TrustRefused as failure:
        refused = refusal_of(failure)
    return visit.page(
        "est_reload.html", path_id=path_id, preview=preview, refused=refused, done=None
    )


async def reload(visit: Visit) -> Answer:
    """Read the bundle again; what was refused is told with why, and the old anchors stay."""
    path_id = visit.form.get("path_id", "")
    body = filled(Reload, {"path_id": path_id}) if path_id else Reload(path_id="")
    try:
        done = await reload_trust(body, visit.ask)
    except TrustRefused as failure:
        refused = refusal_of(failure)
        return visit.page(
            "est_reload.html",
            status=refused.status,
            path_id=path_id,
            preview=None,
            refused=refused,
            done=None,
        )
    return visit.page("est_reload.html", path_id=path_id, preview=None, refused=None, done=done)


async def _require_profile(visit: Visit, path_id: str) -> None:
    for each in visit.services.profiles:
        if each.profile.path_id == path_id and visit.ask.caller.visible.covers(
            tenant=each.profile.tenant, profile=path_id
        ):
            return
    raise NotFound(f"EST profile {path_id}")


async def _cards(visit: Visit) -> list[Card]:
    told = await est_profiles(visit.ask)
    return [_card(each, visit.host) for each in told.profiles]


def _card(profile: EstProfileOut, host: str) -> Card:
    cacerts = next((each for each in profile.urls if each.endswith("/cacerts")), "")
    days = min((each.days_to_expiry for each in profile.trust_anchors), default=None)
    expired = any(each.expired for each in profile.trust_anchors)
    if days is None:
        tone, countdown = "bad", "no anchors"
    elif expired:
        tone, countdown = "bad", "EXPIRED"
    else:
        countdown = f"{days} d"
        tone = "good" if days >= GREEN_DAYS else "warn" if days >= AMBER_DAYS else "bad"
    return Card(
        profile=profile,
        name=profile.path_id or "root",
        days=days,
        tone=tone,
        countdown=countdown,
        cacerts=cacerts if cacerts.startswith("https:") else f"https://{host}{cacerts}",
    )
