"""Tables that are wider or longer than their place: readable, hinted at, scrolled by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.harness.ui_site import UiSite, log_in, new_context
from tests.ui.test_every_page import KEPT, PAGES, names_of

TABLET = (900, 844)
WIDTHS = (320, 360, 390, 480, 640, 900, 1024, 1100, 1280, 1440)
PHONE = 390

SCROLLED = """
() => [...document.querySelectorAll("main *")]
  .filter((each) => each.matches(".scroll, .tall") || (
    each.clientWidth > 0 && each.scrollWidth > each.clientWidth &&
    ["auto", "scroll"].includes(getComputedStyle(each).overflowX)))
  .map((each) => [each.tabIndex, each.getAttribute("role"), each.getAttribute("aria-label")])
"""


@pytest.fixture(scope="module")
def tablet(browser: Browser, site: UiSite) -> Iterator[Page]:
    context = new_context(browser, size=TABLET)
    page = context.new_page()
    log_in(page, site)
    yield page
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_hours_are_no_wider_than_their_place(tablet: Page, site: UiSite, width: int):
    tablet.set_viewport_size({"width": width, "height": 844})
    tablet.goto(site.url + "/")
    hours = tablet.get_by_role("region", name="Figures by hour")
    hours.locator("td.number").evaluate_all("(all) => all.forEach((e) => e.textContent = '12,345')")
    assert hours.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    # Longer than its place, and it says so to eyes and to screen readers.
    assert hours.evaluate("(e) => e.scrollHeight - e.clientHeight") > 0
    hint = tablet.locator("#" + str(hours.get_attribute("aria-describedby")))
    assert hint.is_visible()
    assert "scroll for the earlier ones" in hint.inner_text()
    tablet.set_viewport_size({"width": TABLET[0], "height": TABLET[1]})


def test_whatever_scrolls_has_a_name_of_its_own_and_takes_the_focus(tablet: Page, site: UiSite):
    assert site.api.send("PUT", "/profiles/cp-kept", KEPT).status == 200
    names, seen = names_of(site), 0
    for path in PAGES:
        tablet.goto(site.url + path.format(**names))
        found = tablet.evaluate(SCROLLED)
        assert all(each[:2] == [0, "region"] and each[2] for each in found), (path, found)
        labels = [each[2] for each in found]
        assert len(set(labels)) == len(labels), path
        seen += len(found)
    assert seen >= 12


def test_what_is_beyond_the_edge_casts_a_shadow_until_it_is_reached(tablet: Page, site: UiSite):
    tablet.goto(site.url + "/certificates")
    table = tablet.get_by_role("region", name="Certificates found")
    beyond = table.evaluate("(e) => e.scrollWidth - e.clientWidth")
    assert beyond > 50
    left, right = corner(table, right=False), corner(table, right=True)
    assert left != right
    table.evaluate("(e) => { e.scrollLeft = e.scrollWidth }")
    assert corner(table, right=True) == left
    assert corner(table, right=False) != left


def test_the_last_hour_is_reached_by_keyboard_and_casts_no_shadow(tablet: Page, site: UiSite):
    tablet.set_viewport_size({"width": PHONE, "height": 844})
    tablet.goto(site.url + "/")
    hours = tablet.get_by_role("region", name="Figures by hour")
    hours.focus()
    at_the_start = hours.screenshot()
    tablet.keyboard.press("End")
    last = hours.locator("tbody tr").last
    tablet.wait_for_function(
        "(row) => row.getBoundingClientRect().bottom <="
        " row.closest('.tall').getBoundingClientRect().bottom + 1",
        arg=last.element_handle(),
    )
    assert hours.screenshot() != at_the_start
    # The heads of the columns stay in sight.
    head = hours.locator("thead th").first.bounding_box()
    frame = hours.bounding_box()
    assert head is not None
    assert frame is not None
    assert abs(head["y"] - frame["y"]) < 2
    tablet.set_viewport_size({"width": TABLET[0], "height": TABLET[1]})


def test_it_scrolls_by_keyboard_without_scripts(browser: Browser, site: UiSite):
    context = browser.new_context(
        ignore_https_errors=True,
        java_script_enabled=False,
        viewport={"width": TABLET[0], "height": TABLET[1]},
    )
    page = context.new_page()
    log_in(page, site, path="/certificates")
    table = page.get_by_role("region", name="Certificates found")
    at_the_start = corner(table, right=False)
    table.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
        if corner(table, right=False) != at_the_start:
            break
    assert corner(table, right=False) != at_the_start
    context.close()


def corner(scroller: Locator, *, right: bool) -> bytes:
    """A picture of the empty place below the table, at one edge of what it scrolls in."""
    scroller.scroll_into_view_if_needed()
    box = scroller.bounding_box()
    assert box is not None
    x = box["x"] + (box["width"] - 5 if right else 3)
    y = box["y"] + box["height"] - 14
    return scroller.page.screenshot(clip={"x": x, "y": y, "width": 2, "height": 4})
