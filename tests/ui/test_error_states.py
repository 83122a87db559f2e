"""What the pages say when something is not as it should be: no answer, no session, twice, nothing
there.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from certctl.domain.api_keys import Role
from tests.harness.ui_site import NARROW, UiSite, log_in, new_context

GONE = "The server does not answer. What stands here is from before."


@pytest.fixture
def travelling(browser: Browser, site: UiSite) -> Iterator[Page]:
    """A tab of a browser that can be cut off."""
    context = new_context(browser)
    page = context.new_page()
    log_in(page, site, path="/est")
    yield page
    context.close()


def test_a_server_that_does_not_answer_is_told_until_it_does(travelling: Page, site: UiSite):
    page = travelling
    lost = page.get_by_test_id("lost")
    page.context.set_offline(True)
    # The counters are asked for every five seconds.
    expect(lost).to_have_text(GONE, timeout=15_000)
    expect(lost).to_have_attribute("role", "alert")
    page.context.set_offline(False)
    expect(lost).to_have_count(0, timeout=15_000)
    page.goto(site.url + "/certificates")
    page.context.set_offline(True)
    page.locator("#c-text").fill("sensor")
    page.keyboard.press("Enter")
    expect(lost).to_have_text(GONE)


def test_a_dialog_that_cannot_be_fetched_or_sent_is_told_where_one_looks(travelling: Page):
    page = travelling
    lost = page.get_by_test_id("lost")
    page.context.set_offline(True)
    page.get_by_test_id("est-reload-trust-corp").click()
    expect(page.get_by_role("main").get_by_test_id("lost")).to_have_text(GONE)
    page.context.set_offline(False)
    page.get_by_test_id("est-reload-trust-corp").click()
    expect(page.get_by_test_id("est-reload-confirm")).to_be_visible()
    expect(lost).to_have_count(0)
    page.context.set_offline(True)
    page.get_by_test_id("est-reload-confirm").click()
    expect(page.locator("#dialog").get_by_test_id("lost")).to_have_text(GONE)


def test_a_button_pressed_twice_sends_its_form_once(page: Page, site: UiSite):
    sent: list[Route] = []
    page.goto(site.url + "/keys")

    # A slow network: the answer to the first press is long in coming.
    def hold(route: Route) -> None:
        sent.append(route)

    page.route("**/keys", hold)
    page.get_by_label("Name").fill("pressed-twice")
    button = page.get_by_role("button", name="Make key")
    button.evaluate("(button) => { button.click(); setTimeout(() => button.click(), 100); }")
    page.wait_for_timeout(500)
    assert len(sent) == 1
    sent[0].continue_()
    expect(page.get_by_test_id("new-key")).to_be_visible()
    assert [each["name"] for each in site.api.get("/keys")["data"]].count("pressed-twice") == 1


def test_a_key_whose_answer_is_loaded_again_is_not_made_again(page: Page, site: UiSite):
    page.goto(site.url + "/keys")
    page.get_by_label("Name").fill("loaded-again")
    page.get_by_role("button", name="Make key").click()
    key = page.get_by_test_id("new-key").inner_text()
    page.reload()
    told = page.get_by_test_id("made-before")
    expect(told).to_contain_text("The key loaded-again has been made already.")
    assert Axe().run(page).violations_count == 0
    assert key not in page.content()
    assert [each["name"] for each in site.api.get("/keys")["data"]].count("loaded-again") == 1
    # The form that stands there now is a new one.
    page.get_by_label("Name").fill("the-next")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_test_id("new-key")).to_be_visible()


def test_pressed_twice_without_scripts_one_key_is_made(browser: Browser, site: UiSite):
    context = browser.new_context(ignore_https_errors=True, java_script_enabled=False)
    page = context.new_page()
    log_in(page, site, path="/keys")
    page.get_by_label("Name").fill("no-scripts")
    page.get_by_role("button", name="Make key").dblclick()
    # The second press is answered, or the first was before it could be.
    answer = page.get_by_test_id("made-before").or_(page.get_by_test_id("new-key"))
    expect(answer).to_be_visible()
    assert [each["name"] for each in site.api.get("/keys")["data"]].count("no-scripts") == 1
    context.close()


@pytest.mark.parametrize("act", ["a form", "a dialog", "a page"])
def test_whose_session_has_ended_is_told_and_comes_back(browser: Browser, site: UiSite, act: str):
    name = f"ends-{act.rsplit(maxsplit=1)[-1]}"
    key = site.api.make_key(name, Role.ADMIN)
    context = new_context(browser)
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    place = {"a form": "/explain", "a dialog": "/est", "a page": "/audit?text=x"}[act]
    page.goto(site.url + place)
    (row,) = [each for each in site.api.get("/keys")["data"] if each["name"] == name]
    site.api.send("DELETE", f"/keys/{row['id']}")

    # A worker remembers a key for a second.
    while context.request.get(site.url + "/jobs?poll=1", max_redirects=0).status == 200:
        page.wait_for_timeout(100)
    match act:
        case "a form":
            page.get_by_label("Certificate request").fill("a long request")
            page.get_by_role("button", name="Explain").click()
        case "a dialog":
            page.get_by_test_id("est-reload-trust-corp").click()
        case _:
            page.reload()
    page.wait_for_url("**/login?**")
    note = page.get_by_role("status")
    expect(note).to_contain_text("You are no longer logged in")
    assert ("What you sent was not done" in note.inner_text()) == (act == "a form")
    page.get_by_label("API key").fill(site.keys[Role.ADMIN])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(site.url + place)
    context.close()


def test_after_logging_out_the_back_button_shows_nothing(browser: Browser, site: UiSite):
    context = new_context(browser)
    page = context.new_page()
    log_in(page, site)
    page.goto(site.url + "/certificates")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("API key")).to_be_visible()
    assert "sensor-000" not in page.content()
    # Who logs out knows it.
    expect(page.get_by_role("status")).to_have_count(0)
    context.close()


def test_an_empty_list_is_told_in_one_line_at_360_pixels(browser: Browser, site: UiSite):
    context = new_context(browser, size=NARROW)
    page = context.new_page()
    log_in(page, site)
    for path in ("/requests?status=denied", "/events", "/est/activity?text=nothing-is-so"):
        page.goto(site.url + path)
        empty = page.locator("td.empty")
        expect(empty).to_be_visible()
        # The cell begins where its text does and is as wide as the card.
        assert empty.bounding_box()["width"] > 250  # type: ignore[index]
        lines = "(cell) => cell.getClientRects().length && Math.round(cell.clientHeight / 24)"
        assert empty.evaluate(lines) <= 5
    context.close()


def test_what_the_server_made_for_itself_is_of_no_est_profile(page: Page, site: UiSite):
    page.goto(site.url + "/certificates")
    row = page.get_by_role("row").filter(has_text="CN=localhost")
    expect(row).to_contain_text("(this server)")
    row.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("(this server)")
    assert "legacy root" not in page.locator("main").inner_text()
