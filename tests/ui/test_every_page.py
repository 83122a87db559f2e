"""Every page in both sizes and both colour schemes: accessible, no wider than the screen, safe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.harness.ui_site import MARKUP, NARROW, WIDE, ZOOMED, UiSite, log_in, new_context

AXE = Axe()

PAGES = (
    "/",
    "/est",
    "/est/activity",
    "/est/trust",
    "/est/reload?path_id=corp",
    "/certificates",
    "/certificates/{sensor}",
    "/certificates/{markup}",
    "/certificates/{sensor}/revoke",
    "/certificates/bulk",
    "/requests",
    "/requests/{waiting}",
    "/explain",
    "/issuers",
    "/issuers/iss-local",
    "/issuers/plant",
    "/issuers/plant/disable",
    "/issuers/below",
    "/profiles",
    "/profiles/ruled",
    "/profiles/~new",
    "/profiles/{kept}/edit",
    "/profiles/{kept}/delete",
    "/audit",
    "/events",
    "/jobs",
    "/keys",
)


def names_of(site: UiSite) -> dict[str, str]:
    return {
        "sensor": site.certificate_id("sensor-001"),
        "markup": site.certificate_id("onclick"),
        "waiting": site.api.get("/est/requests?status=waiting")["data"][0]["id"],
        "kept": "cp-kept",
    }


KEPT = {"document": {"name": MARKUP, "description": MARKUP}}


@pytest.fixture(
    scope="module",
    params=[(size, scheme) for size in (WIDE, NARROW) for scheme in ("light", "dark")],
    ids=lambda each: f"{each[0][0]}-{each[1]}",
)
def looking(
    browser: Browser, site: UiSite, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, dict[str, str]]]:
    size, scheme = request.param
    context = new_context(browser, size=size, scheme=scheme)
    page = context.new_page()
    log_in(page, site)
    names = names_of(site)
    # The other sizes have made it already, or nobody yet.
    assert site.api.send("PUT", "/profiles/cp-kept", KEPT).status == 200
    yield page, names
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    site: UiSite, looking: tuple[Page, dict[str, str]], path: str
):
    page, names = looking
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    answer = page.goto(site.url + path.format(**names))
    assert answer is not None
    assert answer.status == 200
    for summary in page.locator("main summary").all()[:2]:
        summary.click()
    found = AXE.run(page)
    assert found.violations_count == 0, found.generate_report()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]  # type: ignore[index]
    # Text that came out of a certificate is text.
    assert page.locator("b[onclick]").count() == 0
    assert dialogs == []


@pytest.mark.parametrize(
    "path", ["/certificates", "/requests", "/audit?text=onclick", "/profiles", "/profiles/cp-kept"]
)
def test_markup_in_a_name_shows_as_text(page: Page, site: UiSite, path: str):
    assert site.api.send("PUT", "/profiles/cp-kept", KEPT).status == 200
    page.goto(site.url + path)
    for details in page.locator("main summary").all():
        details.click()
    text = page.locator("main").inner_text().replace("\\", "")
    assert MARKUP in text


def test_at_200_percent_no_page_scrolls_sideways_and_nothing_is_cut_off(
    browser: Browser, site: UiSite
):
    assert site.api.send("PUT", "/profiles/cp-kept", KEPT).status == 200
    context = new_context(browser, size=ZOOMED, scale=WIDE[0] / ZOOMED[0])
    page = context.new_page()
    log_in(page, site)
    names = names_of(site)
    for path in PAGES:
        page.goto(site.url + path.format(**names))
        for summary in page.locator("main summary").all()[:2]:
            summary.click()
        assert page.evaluate("devicePixelRatio") == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= ZOOMED[0], path
        cut_off = page.evaluate(CUT_OFF)
        assert cut_off == [], (path, cut_off)
    context.close()


CUT_OFF = """
[...document.querySelectorAll('main :is(h1, h2, p, label, dt, dd, td, button, a, input, select)')]
  .filter(each => each.getClientRects().length && !each.closest('.scroll, .tall, .hidden, pre'))
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
  .map(each => each.outerHTML.slice(0, 120))
"""
"""What ends beyond the right edge, other than in a part that scrolls by itself."""


def test_the_first_load_is_small(browser: Browser, site: UiSite):
    context = new_context(browser)
    page = context.new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda each: sizes.append(_transferred(each)))
    log_in(page, site)
    page.wait_for_load_state("networkidle")
    context.close()
    assert len(sizes) >= 6
    assert 20_000 < sum(sizes) <= 150_000


def _transferred(request: object) -> int:
    sizes = request.sizes()  # type: ignore[attr-defined]
    return int(sizes["responseBodySize"]) + int(sizes["responseHeadersSize"])


def test_a_page_runs_no_inline_script_or_style(admin: BrowserContext, site: UiSite):
    # Not the fixture's tab: the browser complains, as it should.
    page = admin.new_page()
    for path in ("/", "/est", "/certificates"):
        page.goto(site.url + path)
        assert page.locator("script:not([src]), style").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('*')].every(each => [...each.attributes]"
            ".every(({name}) => name !== 'style' && !name.startsWith('on')))"
        )
    page.evaluate(
        "const s = document.createElement('script'); s.text = 'window.ran = 1';"
        "document.head.append(s)"
    )
    assert page.evaluate("window.ran") is None
    page.close()


def test_times_are_in_the_viewers_zone_and_in_utc_on_hover(page: Page, site: UiSite):
    page.goto(site.url + "/est/activity")
    time = page.locator("td time").first
    instant = time.get_attribute("datetime")
    assert instant is not None
    assert time.get_attribute("title") == instant.replace("T", " ").replace("Z", " UTC")
    # The browser's zone is Asia/Kolkata, half past five before UTC.
    shown = page.evaluate(
        "t => new Date(t).toLocaleString('sv-SE', {timeZone: 'Asia/Kolkata'})", instant
    )
    assert time.inner_text() == shown
    assert page.locator("#zone").inner_text() in ("Asia/Kolkata", "Asia/Calcutta")


def test_the_switch_turns_the_colours_and_remembers(page: Page, site: UiSite):
    page.goto(site.url + "/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Light/dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(site.url + "/certificates")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Light/dark").click()
    assert page.evaluate(ground) == light


def test_the_menu_of_a_narrow_screen_opens_with_the_keyboard(browser: Browser, site: UiSite):
    context = new_context(browser, size=NARROW)
    page = context.new_page()
    log_in(page, site)
    link = page.get_by_role("link", name="Certificates", exact=True)
    assert not link.is_visible()
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    assert link.is_visible()
    context.close()


def test_the_first_stop_of_the_keyboard_skips_the_navigation(page: Page, site: UiSite):
    page.goto(site.url + "/certificates")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    assert skip.evaluate("each => each === document.activeElement")
    assert skip.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_pages_work_without_scripts(browser: Browser, site: UiSite):
    context = browser.new_context(ignore_https_errors=True, java_script_enabled=False)
    page = context.new_page()
    log_in(page, site)
    page.get_by_role("link", name="EST Admin").click()
    page.get_by_test_id("est-reload-trust-corp").click()
    page.get_by_test_id("est-reload-confirm").click()
    page.get_by_test_id("est-reload-done").wait_for()
    context.close()
