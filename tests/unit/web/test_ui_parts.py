"""Parts of the web pages by themselves: vendored files, lazy loading, table, charts, remedies."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from certctl.domain.api_keys import Role
from certctl.web import ui
from certctl.web.refusal_samples import samples
from certctl.web.ui.chart import Series, bars
from certctl.web.ui.decoded import certificate_fields, request_fields
from certctl.web.ui.origin import is_ours
from certctl.web.ui.paths import is_page
from certctl.web.ui.remedies import _known
from certctl.web.ui.table import PAGES

FOLDER = Path(ui.__file__).parent
FOUND = Path(__file__).parents[2] / "fuzz" / "found"


def test_vendored_files_are_as_published():
    listed = tomllib.loads((FOLDER / "static" / "vendored.toml").read_text())["file"]
    for each in listed:
        body = (FOLDER / "static" / each["name"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == each["sha256"]
    assert {each["name"] for each in listed} == {
        file.name for file in (FOLDER / "static").glob("*.min.*")
    }


def test_a_worker_loads_nothing_of_the_pages_at_its_start():
    program = (
        "import sys, certctl.wiring.worker_process;"
        "late = ('jinja2', 'fastapi', 'certctl.web.ui.app');"
        "print([each for each in late if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_every_page_is_below_a_known_segment_and_writes_need_more_than_a_viewer():
    for page in PAGES:
        assert is_page(page.path.encode())
        assert page.method in ("GET", "POST")
        if page.is_write:
            assert page.role is not Role.VIEWER
    assert len({(each.method, each.path) for each in PAGES}) == len(PAGES)


@pytest.mark.parametrize(
    "path", [b"/.well-known/est/x", b"/api/v1/x", b"/health", b"/ready", b"//est", b"//", b"/Est"]
)
def test_what_is_no_page(path: bytes):
    assert not is_page(path)


def test_no_template_marks_text_as_safe():
    for file in (FOLDER / "templates").iterdir():
        text = file.read_text()
        assert "|safe" not in text.replace(" ", "")
        assert "autoescape" not in text


def test_bars_stand_on_each_other_below_a_round_number():
    chart = bars(["a", "b"], [Series("one", [3, 0]), Series("two", [4, 0])])
    assert chart.top == 10
    one, two = chart.bars
    assert one.y + one.height == pytest.approx(chart.height, abs=0.2)
    assert two.y + two.height == pytest.approx(one.y, abs=0.2)
    assert bars([], []).bars == []
    assert bars(["a"], [Series("one", [0])]).top == 2


def test_every_refusal_has_a_remedy():
    known = _known()
    for failure in samples():
        action = failure.action.value if failure.action is not None else None
        assert known[action, failure.reason].mend


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({b"host": b"a:8443", b"origin": b"https://a:8443"}, True),
        ({b"host": b"inner:1", b"origin": b"https://ca.example"}, True),
        ({b"host": b"a:8443", b"origin": b"https://a"}, False),
        ({b"host": b"a", b"origin": b"null"}, False),
        ({b"host": b"a", b"origin": b""}, False),
        ({b"origin": b"https://"}, False),
        ({b"host": b"a", b"sec-fetch-site": b"same-origin"}, True),
        ({b"host": b"a", b"sec-fetch-site": b"same-site"}, False),
        ({b"host": b"a"}, False),
    ],
)
def test_where_a_write_comes_from(headers: dict[bytes, bytes], ours: bool):  # noqa: FBT001
    assert is_ours(headers, "https://ca.example") is ours


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"junk"])
def test_what_cannot_be_read_is_told_and_harms_nothing(der: bytes):
    assert certificate_fields(der)[0].name == "Cannot be read"
    assert request_fields(der) == [] or request_fields(der)[0].name == "Cannot be read"


def test_a_certificate_with_a_key_of_unknown_kind_is_shown_with_its_oid():
    der = (FOUND / "shown" / "key-of-a-kind-unknown").read_bytes()
    named = {each.name: each.value for each in certificate_fields(der)}
    assert named["Public key"] == "1.3.111.112"
    assert named["Subject"] == "CN=ed leaf"
    assert "Cannot be read" not in named


def test_of_a_certificate_with_an_extension_twice_the_rest_is_shown():
    der = (FOUND / "doctor" / "extension-twice").read_bytes()
    named = {each.name: each.value for each in certificate_fields(der)}
    assert named["Subject"] == "CN=sans"
    assert "Duplicate" in named["Cannot be read"]
