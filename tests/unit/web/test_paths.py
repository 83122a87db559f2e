"""Whatever path arrives: it leads somewhere in its one spelling, or nowhere (``laws_web.path``)."""

from __future__ import annotations

import string
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from certctl.domain.profiles import AuthMode, EstProfile
from certctl.web.api.table import ENDPOINTS
from certctl.web.routes import build_routes, route_of
from certctl.web.ui.table import PAGES
from tests.fuzz import laws_web

NAMES = st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=128)
TEMPLATES = sorted(
    {each.path for each in PAGES}
    | {each.full_path for each in ENDPOINTS}
    | {path.decode() for path in laws_web._est()}
)
SEGMENTS = st.one_of(
    st.sampled_from(sorted({part for each in TEMPLATES for part in each.split("/")})),
    st.sampled_from([".", "..", "", "%2e%2e", "%2f", "%00", "est;a=b", "EST", "\\", "x" * 129]),
    NAMES,
)


def leads_somewhere(path: str) -> bool:
    methods, _ = laws_web._pages().find(path)
    found = methods or laws_web._table().methods(path)
    return bool(found) or path.encode("latin-1") in laws_web._est()


def filled(template: str, name: str) -> str:
    parts = template.split("/")
    return "/".join(name if part.startswith("{") else part for part in parts)


@given(st.binary(max_size=200))
@example(b"")
@example(b"/%2e%2e/keys")
@example(b"\xff/..//est")
def test_any_octets(octets: bytes):
    laws_web.path(octets)


@given(st.lists(SEGMENTS, max_size=8))
def test_any_row_of_segments(segments: list[str]):
    laws_web.path(("/" + "/".join(segments)).encode("latin-1"))


@given(st.sampled_from(TEMPLATES), NAMES)
def test_every_path_leads_where_it_says(template: str, name: str):
    path = filled(template, name)
    assert leads_somewhere(path)
    laws_web.path(path.encode())


@given(st.sampled_from(TEMPLATES), NAMES, st.data())
def test_no_other_spelling_leads_there(template: str, name: str, data: st.DataObject):
    """Escaped, doubled, in other case, with a dot segment or something behind it."""
    path = filled(template, name)
    at = data.draw(st.integers(0, len(path) - 1))
    other = data.draw(
        st.sampled_from(
            [
                path[:at] + f"%{ord(path[at]):02x}" + path[at + 1 :],
                path[:at] + quote(path[at], safe="") + "%00" + path[at + 1 :],
                path.replace("/", "//", 1),
                path.replace("/", "/./", 1),
                path.replace("/", "/x/../", 1),
                path + "?",
                path + ";a=b",
                path + "//",
                path + " ",
                "https://est.example" + path,
            ]
        )
    )
    assume(unquote(other) != other or other != path)
    laws_web.path(other.encode("latin-1"))
    assert not leads_somewhere(other)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/.well-known/est/est/cacerts", "/.well-known/est/{profile}/cacerts"),
        ("/.well-known/est/est/cacerts/", "/.well-known/est/{profile}/cacerts"),
        ("/.well-known/est/cacerts", "/.well-known/est/cacerts"),
        ("/.well-known/est/cacerts/", "/.well-known/est/cacerts"),
        (
            "/.well-known/est-mtls/est/simplereenroll",
            "/.well-known/est-mtls/{profile}/simplereenroll",
        ),
    ],
)
def test_the_template_of_a_path_does_not_name_its_profile(path: str, template: str) -> None:
    modes = frozenset({AuthMode.MTLS})
    profile = EstProfile(path_id="est", issuer_id="iss-local", auth_modes=modes)
    table = build_routes([profile], "est")
    assert route_of(table[path.encode()], path.encode()) == template
