"""``/keys``: keys of the API and of these pages; a new one is shown once (operator §1)."""

from __future__ import annotations

from certctl.domain.api_keys import Role
from certctl.web.answers import Answer
from certctl.web.api import keys as api
from certctl.web.api.keys import KeyMade, KeyOut
from certctl.web.api.problems import ApiRefused
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Visit, see

FIELDS = ("name", "role", "tenant", "profiles", "expires_at")


async def listing(visit: Visit) -> Answer:
    return await _page(visit, {})


async def create(visit: Visit) -> Answer:
    kept = {name: visit.form.get(name, "").strip() for name in FIELDS}
    fields: dict[str, object] = {**kept}
    if kept["profiles"]:
        fields["profiles"] = [each.strip() for each in kept["profiles"].split(",")]
    if kept["expires_at"]:
        fields["expires_at"] = f"{kept['expires_at']}T00:00:00Z"
    try:
        made = await api.create_key(filled(api.NewKey, fields), visit.ask)
    except ApiRefused as refused:
        return await _page(visit, kept, status=refused.status, fault=refused.rule)
    return await _page(visit, {}, made=made)


async def revoke_dialog(visit: Visit) -> Answer:
    key = await _one(visit)
    return visit.page("key_revoke.html", key=key)


async def revoke(visit: Visit) -> Answer:
    key = await _one(visit)
    await api.revoke_key(key.id, visit.ask)
    if visit.fragment:
        return Answer(status=204, headers=((b"HX-Redirect", b"/keys"),))
    return see("/keys")


async def _one(visit: Visit) -> KeyOut:
    for each in (await api.list_keys(visit.services)).data:
        if each.id == visit.names["key"]:
            return each
    raise ApiRefused(404, "There is no such key.")


async def _page(
    visit: Visit,
    kept: dict[str, str],
    *,
    status: int = 200,
    made: KeyMade | None = None,
    fault: str = "",
) -> Answer:
    found = await api.list_keys(visit.services)
    order = {"usable": 0, "expired": 1, "revoked": 2}
    return visit.page(
        "keys.html",
        status=status,
        rows=sorted(found.data, key=lambda each: (order[each.status], each.name)),
        kept=kept,
        made=made,
        fault=fault,
        roles=[each.value for each in Role],
    )
