"""Events that could not be delivered: the overview says so, and an admin sends them again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from certctl.domain.api_keys import Role
from tests.harness.receiver import Receiver, receiver
from tests.harness.replacing import replace
from tests.harness.server import configured_server
from tests.harness.ui_site import UiSite, log_in, new_context, ui_site

WAIT_SECONDS = 40.0


def channel(directory: Path, hook: Receiver, name: str) -> dict[str, str]:
    secret = directory / f"{name}.secret"
    secret.write_text("a-secret-of-the-gui-test\n")
    return {
        "WEBHOOKS": name,
        f"WEBHOOK_{name.upper()}_URL": hook.url,
        f"WEBHOOK_{name.upper()}_SECRET_FILE": str(secret),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "PUBLIC_URL": "https://localhost",
    }


@pytest.fixture(scope="module")
def forsaken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UiSite]:
    """Its events are for a channel that nobody has set up any more."""
    directory = tmp_path_factory.mktemp("forsaken")
    with receiver() as hook:
        hook.says(hangs=True)
        with ui_site(directory, **channel(directory, hook, "ops")) as site:
            hook.wait(lambda posts: posts)
            settings = {
                name.removeprefix("CERTCTL_"): value
                for name, value in site.server.environment.items()
                if "WEBHOOK" not in name
            }
        del settings["SERVER_PORT"]
        server = configured_server(directory, settings | channel(directory, hook, "siem"))
        with server:
            here = replace(site, server=server)
            deadline = time.monotonic() + WAIT_SECONDS
            while not here.api.get("/events?status=dead")["data"]:
                assert time.monotonic() < deadline
            yield here


def test_dead_events_are_told_of_and_sent_again_by_an_admin(browser: Browser, forsaken: UiSite):
    context = new_context(browser)
    page = context.new_page()
    log_in(page, forsaken)
    concerns = page.get_by_test_id("concerns")
    concerns.get_by_role("link", name="could not be delivered").click()
    page.get_by_role("link", name="dead", exact=True).click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("no channel of this name is set up")
    row.get_by_role("button", name="Send again").click()
    page.get_by_role("button", name="Send all dead ones again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Events for other systems")
    requeued = forsaken.api.get("/audit?action=events_requeued")["data"]
    assert {each["actor"] for each in requeued} == {"key:the-admin"}
    assert len(requeued) >= 2
    context.close()


def test_a_viewer_sees_them_and_sends_nothing(browser: Browser, forsaken: UiSite):
    context = new_context(browser)
    page = context.new_page()
    log_in(page, forsaken, Role.VIEWER, "/events")
    expect(page.locator("tbody")).to_contain_text("cert.")
    assert page.get_by_role("button", name="Send").count() == 0
    context.close()
