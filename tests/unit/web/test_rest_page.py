"""docs/reference/rest.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from certctl.web.api.reference import page
from certctl.web.api.table import ENDPOINTS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "rest.md"


def test_the_page_in_docs_is_the_generated_one():
    assert PAGE.read_text() == page(), "run: python -m certctl.web.api.reference"


def test_every_endpoint_has_a_row_and_a_section():
    text = page()
    for each in ENDPOINTS:
        assert f"| {each.method} | `{each.full_path}` |" in text
        assert f"\n## {each.method} {each.full_path}\n" in text
