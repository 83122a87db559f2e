"""What the navigation offers to whom."""

from __future__ import annotations

from typing import NamedTuple

from certctl.domain.key_holders import Holder


class Place(NamedTuple):
    path: str
    title: str
    current: bool


_PLACES = (
    ("/", "Overview"),
    ("/est", "EST Admin"),
    ("/certificates", "Certificates"),
    ("/requests", "Requests"),
    ("/explain", "Explain"),
    ("/issuers", "Issuers"),
    ("/profiles", "Certificate profiles"),
    ("/audit", "Audit"),
    ("/events", "Events"),
    ("/jobs", "Jobs"),
    ("/keys", "Keys"),
)


def navigation(holder: Holder, path: str) -> list[Place]:
    """The pages this key may open; EST Admin says itself what it needs."""
    from certctl.web.ui.table import PAGES  # noqa: PLC0415 - the table knows the pages

    needs = {each.path: each for each in PAGES if each.method == "GET"}
    found = []
    for place, title in _PLACES:
        page = needs[place]
        if not holder.role.covers(page.role) or (page.whole and not holder.visible.everything):
            continue
        current = path == place or (place != "/" and path.startswith(place + "/"))
        found.append(Place(place, title, current))
    return found
