"""Templates: compiled with their first use, everything escaped.

Text comes out of certificates and requests, so it is anybody's: markup shows as text, and
characters that move or hide others show as their numbers (``domain.plain_text``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ids import RandomBytes
from certctl.domain.inventory import profile_shown
from certctl.domain.plain_text import escaped
from certctl.domain.profiles import profile_name
from certctl.web.api.services import Services
from certctl.web.ui.navigation import navigation
from certctl.web.ui.sent_once import FIELD, token
from certctl.web.ui.static_files import StaticFiles


class Templates:
    """Renders by name."""

    def __init__(self, directory: Path, static: StaticFiles, services: Services) -> None:
        environment = Environment(
            loader=FileSystemLoader(directory),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_plain,
        )
        environment.filters |= {
            "time": _time,
            "exact": lambda moment: _time(moment, exact=True),
            "count": _count,
            "lines": _lines,
            "profile": profile_name,
            "number": lambda value: f"{value:,}",
            "details": _detail,
        }
        environment.globals |= {
            "once": lambda: _once(services.random),
            "static": static.address,
            "navigation": navigation,
            "address": _address,
            "version": services.version,
            "open": services.open,
            "days_left": lambda until_us: _days_left((until_us - services.clock()) // DAY_US),
            "profile_shown": profile_shown,
        }
        self._environment = environment

    def render(self, template: str, **values: object) -> str:
        return self._environment.get_template(template).render(values)


def _plain(value: object) -> object:
    """What is written into a page, before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return escaped(value)
    return "" if value is None else value


def _once(random: RandomBytes) -> Markup:
    """Stands in each form that makes or decides something, see ``sent_once``."""
    return Markup('<input type="hidden" name="{}" value="{}" autocomplete="off">').format(
        FIELD, token(random)
    )


def _lines(text: str) -> Markup:
    """Text of several lines that is ours, such as PEM."""
    return escape(text)


def _time(moment: datetime | int | None, *, exact: bool = False) -> Markup:
    """A moment: in UTC here, in the viewer's zone where scripts run, in UTC on hover."""
    if moment is None:
        return Markup("\u2013")
    if isinstance(moment, int):
        moment = datetime.fromtimestamp(moment // SECOND_US, UTC)
    moment = moment.astimezone(UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S}" if exact else f"{moment:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{} UTC"{}>{} UTC</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%Y-%m-%d %H:%M:%S}",
        Markup(" data-exact") if exact else "",
        shown,
    )


def _days_left(days: int) -> str:
    return f"{_count(days, 'day')} left" if days >= 0 else "expired"


def _count(number: int, thing: str) -> str:
    """``1 anchor``, ``2 anchors``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _detail(value: object) -> str:
    """A value of an audit event's details."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "\u2013"
    return json.dumps(value)


def _address(path: str, fields: Mapping[str, str | None] | None = None, **more: object) -> str:
    """A path with its query; empty fields are left out."""
    given = {**(fields or {}), **more}
    query = urlencode({name: value for name, value in given.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path
