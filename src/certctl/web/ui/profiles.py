"""``/profiles``: certificate profiles, the rules of issuing (policy §1).

All of them can be read; those of the store can be made, changed and removed here, by the
functions behind ``/api/v1/profiles``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from certctl.domain.clock import DAY_US
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.plain_text import shown
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.domain.profiles import profile_name
from certctl.web.answers import Answer
from certctl.web.api import certificate_profiles as api
from certctl.web.api.certificate_profiles import ChangedProfile, KnownProfile, NewProfile
from certctl.web.api.problems import ApiRefused, FieldFault
from certctl.web.ui import profile_form
from certctl.web.ui.page import Visit, see

ORIGINS = {"builtin": "built in", "file": "a file", "store": "the store"}

_DAY_S = DAY_US // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A profile in the list; ``used_by`` names the EST profiles that issue by it."""

    profile: CertificateProfile
    origin: str
    used_by: list[str]
    lifetime: str
    keys: str


async def listing(visit: Visit) -> Answer:
    known = await api.known_profiles(visit.services)
    return visit.page(
        "profiles.html", rows=[_row(visit, each) for _, each in sorted(known.items())]
    )


async def show(visit: Visit) -> Answer:
    known = await _one(visit)
    return visit.page(
        "profile.html",
        known=known,
        row=_row(visit, known),
        groups=profile_form.groups(profile_form.texts(known.profile)),
        editable=profile_form.shows_all(known.profile),
    )


async def new(visit: Visit) -> Answer:
    """An empty form, or one that begins as another profile (``like``)."""
    texts: Mapping[str, str] = profile_form.defaults()
    like = visit.query.get("like")
    if like:
        known = (await api.known_profiles(visit.services)).get(like)
        if known is None:
            raise NotFound(f"certificate profile {like}")
        texts = profile_form.texts(known.profile)
    return _form(visit, texts)


async def create(visit: Visit) -> Answer:
    profile_id = visit.form.get("id", "").strip()
    document = profile_form.document_of(visit.form)
    try:
        body = NewProfile(id=profile_id, document=document)
    except ValidationError:
        rule = "lower-case letters, digits and hyphens, a letter or digit first, at most 63"
        faults = [FieldFault(field="body.id", problem=rule)]
        try:
            api.checked("as-yet-unnamed", document)
        except ApiRefused as refused:
            faults += refused.faults
        return _form(visit, visit.form, faults=faults)
    try:
        done = await api.create_profile(body, visit.ask)
    except ApiRefused as refused:
        return _form(visit, visit.form, faults=refused.faults or [_whole(refused.message)])
    except Conflict as conflict:
        problem = f"Not made: {shown(conflict.what)}."
        return _form(visit, visit.form, faults=[_whole(problem)], status=409)
    return see(f"/profiles/{done.id}")


async def edit(visit: Visit) -> Answer:
    known = await _stored(visit)
    if not profile_form.shows_all(known.profile):
        raise ApiRefused(
            409,
            "This profile holds what the form cannot show.",
            rule="Saving the form would change its rules.",
            remedy="Change it with certctl-server profiles put, or over /api/v1/profiles.",
        )
    return _form(visit, profile_form.texts(known.profile), known=known)


async def change(visit: Visit) -> Answer:
    known = await _stored(visit)
    version = visit.form.get("version", "")
    document = profile_form.document_of(visit.form)
    try:
        body = ChangedProfile(
            document=document, expected_version=int(version) if version.isdigit() else -1
        )
    except (ValidationError, ValueError):
        raise ApiRefused(422, "The form cannot be used.", remedy="Open it anew.") from None
    try:
        await api.put_profile(known.profile.id, body, visit.ask)
    except ApiRefused as refused:
        faults = refused.faults or [_whole(refused.message)]
        return _form(visit, visit.form, known=known, faults=faults)
    except Conflict as conflict:
        problem = f"Not changed: {shown(conflict.what)}. Open the form anew to see what is there."
        return _form(visit, visit.form, known=known, faults=[_whole(problem)], status=409)
    return see(f"/profiles/{known.profile.id}")


async def delete_dialog(visit: Visit) -> Answer:
    known = await _stored(visit)
    return visit.page("profile_delete.html", row=_row(visit, known), fault="")


async def delete(visit: Visit) -> Answer:
    known = await _stored(visit)
    try:
        await api.delete_profile(known.profile.id, visit.ask)
    except Conflict as conflict:
        fault = f"Not removed: {shown(conflict.what)}."
        row = _row(visit, known)
        return visit.page("profile_delete.html", status=409, row=row, fault=fault)
    if visit.fragment:
        return Answer(status=204, headers=((b"HX-Redirect", b"/profiles"),))
    return see("/profiles")


async def _one(visit: Visit) -> KnownProfile:
    profile_id = visit.names["profile"]
    known = (await api.known_profiles(visit.services)).get(profile_id)
    if known is None:
        raise NotFound(f"certificate profile {profile_id}")
    return known


async def _stored(visit: Visit) -> KnownProfile:
    known = await _one(visit)
    if known.stored is None:
        raise ApiRefused(
            409,
            "This profile is not changed here.",
            rule=f"It comes from {ORIGINS[known.origin]}.",
            remedy="Change its file and reload, or make a profile of another name.",
        )
    return known


def _row(visit: Visit, known: KnownProfile) -> Row:
    profile = known.profile
    visible = visit.ask.caller.visible
    return Row(
        profile=profile,
        origin=ORIGINS[known.origin],
        used_by=[
            profile_name(each.profile.path_id)
            for each in visit.services.profiles
            if (each.profile.certificate_profile_id or DEFAULT_PROFILE.id) == profile.id
            and visible.covers(tenant=each.profile.tenant, profile=each.profile.path_id)
        ],
        lifetime=_lifetime(profile.max_ttl_seconds),
        keys=", ".join(map(str, profile.allowed_key_algorithms)),
    )


def _lifetime(seconds: int) -> str:
    """In the largest unit that tells it exactly."""
    if not seconds:
        return "the issuer's"
    for unit, name in ((_DAY_S, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % unit == 0:
            number = seconds // unit
            return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
    return f"{seconds:,} seconds"


def _whole(problem: str) -> FieldFault:
    """A fault of no field."""
    return FieldFault(field="", problem=problem)


def _form(
    visit: Visit,
    texts: Mapping[str, str],
    *,
    known: KnownProfile | None = None,
    faults: Any = (),
    status: int = 422,
) -> Answer:
    """The form; 200 where nothing is wrong. ``known``: what it changes, None for a new one."""
    version = known.stored.version if known is not None and known.stored is not None else 0
    return visit.page(
        "profile_form.html",
        status=status if faults else 200,
        known=known,
        # What was opened, not what is there: the authority compares.
        opened_version=texts.get("version", version),
        profile_id=known.profile.id if known is not None else texts.get("id", ""),
        groups=profile_form.groups(texts, faults),
        id_faults=profile_form.faults_of("id", faults),
        faults=profile_form.other_faults(faults),
        number_of_faults=len(faults),
        lint_modes=profile_form.LINT_MODES,
        kinds=profile_form.Kind,
    )
