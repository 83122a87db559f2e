"""docs/first-hour.md, typed and clicked word for word from a folder like a fresh clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.harness.server import clean_environment, free_port
from tests.harness.terminal import Terminal
from tests.harness.typed_page import Reader, as_pattern
from tests.harness.ui_site import new_context

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
LEFT_BEHIND = {".git", "certctl-demo"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What stands in the repository, with its programs installed, and nothing of a trial."""
    # As scripts/serve would, but before: from the folder of links it would move the programs.
    subprocess.run([ROOT / "scripts" / "_setup"], check=True, timeout=100)
    folder = tmp_path / "certctl"
    folder.mkdir()
    for each in ROOT.iterdir():
        if each.name not in LEFT_BEHIND:
            (folder / each.name).symlink_to(each)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_page_does_what_it_says(clone: Path, browser: Browser):
    port = free_port()
    home = {"HOME": str(clone.parent), "PORT": str(port)}
    environment = {
        name: value
        for name, value in clean_environment(home).items()
        if name not in {"NO_COLOR", "XDG_CONFIG_HOME", "VIRTUAL_ENV"}
    }
    tabs: list[Page] = []
    context = new_context(browser)

    def tab() -> Page:
        if not tabs:
            tabs.append(context.new_page())
        return tabs[0]

    with Terminal(clone, environment) as server, Terminal(clone, environment) as operator:
        reader = Reader(operator, server, tab, f"https://localhost:{port}")
        reader.follow(PAGE.read_text())
    context.close()


@pytest.mark.parametrize(
    ("says", "shown", "fits"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n…\n", "a\nb\nc\n", True),
        ("…\nc\n", "a\nb\nc\n", True),
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a\nc\n", False),
        ("", "", True),
        ("", "a\n", False),
    ],
)
def test_what_a_page_shows_is_compared(says: str, shown: str, *, fits: bool):
    assert bool(as_pattern(says).fullmatch(shown)) is fits
