"""What must hold for any text that a browser sends, or that a page shows of a certificate."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from cryptography import x509

from certctl.domain.profiles import AuthMode, EstProfile
from certctl.domain.sessions import TOKEN_OCTETS, token_digest
from certctl.web.api.endpoint import PREFIX as API_PREFIX
from certctl.web.api.endpoint import Table
from certctl.web.api.problems import ApiRefused
from certctl.web.api.table import ENDPOINTS
from certctl.web.conditional import Validators
from certctl.web.routes import build_routes
from certctl.web.ui import app as ui
from certctl.web.ui.decoded import Field, certificate_fields, request_fields
from certctl.web.ui.login import place
from certctl.web.ui.origin import is_ours
from certctl.web.ui.page import Pages
from certctl.web.ui.paths import is_page
from certctl.web.ui.session import COOKIE, _token
from certctl.web.ui.static_files import StaticFiles
from certctl.web.ui.table import PAGES
from certctl.wire.unreadable import quiet

OURS = "https://est.example:8443"
_SHOWN = re.compile(r"[!-~]*")


def shown(data: bytes) -> None:
    """Whatever is on record has a page; what can be read is what the library reads."""
    for read in (certificate_fields, request_fields):
        fields = read(data)
        assert all(isinstance(each, Field) for each in fields)
        named = {each.name: each.value for each in fields}
        if "Serial number" in named:
            with quiet():
                serial = x509.load_der_x509_certificate(data).serial_number
            assert named["Serial number"] == f"{serial:x}"


def page_request(data: bytes) -> None:
    """The octets as a form, as an address to go back to, and as headers of a browser."""
    with suppress(ApiRefused):
        fields = ui._fields(data)
        assert all(isinstance(value, str) for value in fields.values())
        _stays_here(place(fields))
    _stays_here(place({"next": data.decode("latin-1")}))
    one, _, other = data.partition(b"\n")
    if is_ours({b"origin": one, b"host": other}, None):
        assert one == b"https://" + other
    assert is_ours({b"origin": b"https://evil.example", b"host": data}, OURS) is (
        data == b"evil.example"
    )
    token = _token({b"cookie": data})
    assert token.encode("latin-1") in data
    doubled = _token({b"cookie": data + b"; " + COOKIE.encode() + b"=" + b"B" * 43})
    assert not token or not doubled, "two cookies of ours are two users"
    digest = token_digest(token)
    assert digest is None or len(digest) == TOKEN_OCTETS
    validators = Validators(etag=b'"0123"', modified_us=1_790_000_000_000_000)
    if validators.is_known({b"if-none-match": data}):
        assert b'"0123"' in data or b"*" in data
    validators.is_known({b"if-modified-since": data})


def _stays_here(where: str) -> None:
    """No browser leaves this server for it, nor does it end the header it stands in."""
    assert _SHOWN.fullmatch(where), where
    # Browsers take a backslash for a slash.
    reached = urlsplit(urljoin(OURS + "/login", where.replace("\\", "/")))
    assert f"{reached.scheme}://{reached.netloc}" == OURS, where
    assert is_page(where.partition("?")[0].encode())


@cache
def _static() -> StaticFiles:
    return StaticFiles(Path(ui.__file__).parent / "static")


@cache
def _est() -> dict[bytes, object]:
    profiles = (
        EstProfile(path_id="iot", issuer_id="iss", auth_modes=frozenset({AuthMode.MTLS})),
        EstProfile(path_id="", issuer_id="iss"),
    )
    return dict(build_routes(profiles, None))


@cache
def _pages() -> Pages:
    return Pages(PAGES)


@cache
def _table() -> Table:
    return Table(ENDPOINTS)


def path(data: bytes) -> None:
    """A path leads somewhere in one spelling alone: no escapes, no dots, no empty segments."""
    text = data.decode("latin-1")
    methods, names = _pages().find(text)
    for page in methods.values():
        assert page.path.format(**names) == text
        assert is_page(data), "a page that nobody finds"
        assert all(quote(name, safe="~") == name for name in names.values())
    endpoints = _table().methods(text)
    for endpoint in endpoints.values():
        assert _like(endpoint.full_path, text)
    assert not (methods and endpoints), "two readings of one path"
    if endpoints:
        assert text.startswith(API_PREFIX + "/")
    if _static().answer(text, {}) is not None:
        assert re.fullmatch(r"/static/[a-z0-9_.-]+", text)
    if methods or endpoints or data in _est():
        assert re.fullmatch(r"(/[A-Za-z0-9._~-]*)+", text)
        assert "//" not in text


def _like(template: str, text: str) -> bool:
    """The same number of segments, equal where the template has no name."""
    segments, given = template.split("/"), text.split("/")
    return len(segments) == len(given) and all(
        one.startswith("{") or one == other for one, other in zip(segments, given, strict=True)
    )
