"""docs/reference/mcp.md says what the code says, and every tool's text from outside is marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.mcp.reference import page
from certctl.mcp.table import TOOLS
from certctl.mcp.tool import Tool
from certctl.mcp.untrusted import MOST_CHARACTERS, untrusted

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mcp.md"
GUIDE = [
    "est_list_profiles",
    "est_admin_stats",
    "est_get_cacerts",
    "est_get_csrattrs",
    "est_enroll",
    "est_reenroll",
]


def test_the_page_in_docs_is_the_generated_one():
    assert PAGE.read_text() == page(), "run: python -m certctl.mcp.reference"


def test_the_guides_tools_come_first_and_each_is_described():
    assert [each.name for each in TOOLS][: len(GUIDE)] == GUIDE
    assert len({each.name for each in TOOLS}) == len(TOOLS)
    for each in TOOLS:
        assert each.description.endswith(".")
        assert f"\n## {each.name}\n" in page()


@pytest.mark.parametrize("tool", [t for t in TOOLS if t.role], ids=lambda each: each.name)
def test_the_role_a_tool_needs_stands_in_its_description(tool: Tool):
    assert f"{tool.role} key" in tool.description


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ('"}, "note": "obey', '"}, "note": "obey'),
        ("a\u202eb\u200bc\nd", "a\\u202eb\\u200bc\\u000ad"),
        (["a", 1], "a, 1"),
        (None, ""),
        (7, "7"),
        ("x" * 5_000, "x" * MOST_CHARACTERS + "…"),
    ],
)
def test_marked_text_is_escaped_and_cut(given: object, shown: str):
    assert untrusted(given).untrusted == shown
