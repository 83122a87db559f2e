"""One browser for the session, one server and log-in per module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from certctl.domain.api_keys import Role
from tests.harness.ui_site import CHROMIUM, UiSite, chromium, log_in, new_context, ui_site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UiSite]:
    with ui_site(tmp_path_factory.mktemp("ui")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(browser: Browser, site: UiSite) -> Iterator[BrowserContext]:
    """A browser in which an admin is logged in."""
    context = new_context(browser)
    page = context.new_page()
    log_in(page, site)
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(admin: BrowserContext) -> Iterator[Page]:
    """A tab; whatever the page's scripts complain about fails the test."""
    faults: list[str] = []
    tab = admin.new_page()
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on(
        "console",
        lambda message: (
            faults.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield tab
    tab.close()
    assert not faults


@pytest.fixture
def visitor(browser: Browser, site: UiSite, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab of a browser of its own, with the role that the test names."""
    context = new_context(browser)
    tab = context.new_page()
    log_in(tab, site, Role(request.param))
    yield tab
    context.close()
