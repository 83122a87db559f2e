"""EST Admin as a person drives it: cards, counters, live activity, reload of a trust bundle."""

from __future__ import annotations

import os
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from certctl.domain.audit import Counter
from certctl.trust.readings import STILL_US
from tests.harness.pki import ForeignCA
from tests.harness.ui_site import UiSite


def test_a_card_tells_all_about_a_profile(page: Page, site: UiSite):
    page.goto(site.url + "/est")
    card = page.get_by_test_id("est-profile-summary-corp")
    expect(card).to_contain_text("iss-local")
    expect(card).to_contain_text("default")
    expect(card.locator(".badge", has_text="mtls")).to_be_visible()
    badge = page.get_by_test_id("est-trust-expiry-badge-corp")
    expect(badge).to_have_text(re.compile(r"trust: 36\d\d d"))
    expect(badge).to_have_class(re.compile("good"))
    assert page.get_by_test_id("est-trust-expiry-badge-open").count() == 0
    for label in Counter:
        assert page.get_by_test_id(f"est-counter-corp-{label}").count() == 1
    expect(page.get_by_test_id("est-counter-corp-auth_failed_basic")).to_have_text("1")
    expect(page.locator("#curl-corp")).to_have_text(
        f"curl --cacert ca.pem {site.url}/.well-known/est/corp/cacerts"
    )
    tabs = page.get_by_test_id("est-admin-tabs")
    expect(tabs.get_by_test_id("est-tab-profiles")).to_have_attribute("aria-current", "page")


def test_counters_follow_what_happens(page: Page, site: UiSite):
    page.goto(site.url + "/est")
    counter = page.get_by_test_id("est-counter-open-auth_failed_basic")
    expect(counter).to_have_text("0")
    assert site.enroll("open", "guesser", password="wrong") == 401
    expect(counter).to_have_text("1", timeout=15_000)


@pytest.mark.parametrize("visitor", ["viewer", "operator"], indirect=True)
def test_who_is_no_admin_is_told_and_no_admin_request_is_made(visitor: Page, site: UiSite):
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    for path in ("/est", "/est/activity", "/est/trust"):
        answer = visitor.goto(site.url + path)
        assert answer is not None
        assert answer.status == 403
        expect(visitor.get_by_role("alert")).to_contain_text("Admin access required")
        assert visitor.get_by_test_id("est-admin-tabs").count() == 0
    assert not [url for url in asked if "/api/" in url or "stream" in url or "reload" in url]


def test_a_reload_shows_what_comes_and_goes_then_does_it_by_keyboard_alone(
    page: Page, site: UiSite
):
    old = site.bundle.read_bytes()
    ForeignCA("second-factory").bundle(site.bundle)
    page.goto(site.url + "/est")
    page.get_by_test_id("est-reload-trust-corp").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Will come")
    expect(dialog).to_contain_text("CN=second-factory")
    expect(dialog).to_contain_text("Will go")
    expect(dialog).to_contain_text("CN=factory")
    assert Axe().run(page).violations_count == 0
    # Nothing has changed yet, and Escape leaves it so.
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page.get_by_test_id("est-reload-trust-corp")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("est-reload-confirm")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("est-reload-done")).to_contain_text("Reloaded")
    expect(dialog).to_contain_text("Came")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.goto(site.url + "/est/trust")
    expect(page.get_by_test_id("est-trust-card-corp")).to_contain_text("CN=second-factory")
    (event, *_) = site.api.get("/audit?action=est_trust_anchor_reloaded")["data"]
    assert event["actor"] == "key:the-admin"
    site.bundle.write_bytes(old)


def test_a_bad_bundle_is_refused_with_why_and_the_old_anchors_stay(page: Page, site: UiSite):
    before = site.api.get("/admin/est/profiles")["profiles"]
    old = site.bundle.read_bytes()
    page.goto(site.url + "/est")
    site.bundle.write_bytes(b"no certificate")
    page.get_by_test_id("est-reload-trust-corp").click()
    error = page.get_by_test_id("est-reload-error")
    expect(error).to_contain_text("The anchors that were in force stay in force")
    page.get_by_test_id("est-reload-confirm").click()
    expect(error).to_contain_text(str(site.bundle))
    assert Axe().run(page).violations_count == 0
    page.get_by_test_id("est-reload-cancel").click()
    expect(page.get_by_role("dialog")).not_to_be_visible()
    after = site.api.get("/admin/est/profiles")["profiles"]
    assert [each["trust_anchors"] for each in after] == [each["trust_anchors"] for each in before]
    page.goto(site.url + "/est/trust")
    expect(page.get_by_test_id("est-trust-card-corp")).to_contain_text("was refused")
    site.bundle.write_bytes(old)


def test_what_becomes_of_a_bundles_file_is_told_on_the_very_next_view(page: Page, site: UiSite):
    old, before = site.bundle.read_bytes(), site.bundle.stat()
    # What others have put there before is in force.
    assert site.api.post("/admin/est/reload-trust", {"path_id": "corp"})["reloaded"] is True
    page.goto(site.url + "/est/trust")
    # From then on what was read of the file is kept.
    while time.time_ns() // 1_000 - site.bundle.stat().st_ctime_ns // 1_000 <= STILL_US:
        page.reload()
    notes = page.get_by_test_id("est-trust-card-corp").locator(".note")
    page.reload()
    page.reload()
    expect(notes.filter(has_text="has changed since")).to_have_count(0)
    # As long as before and with the time of before: only the time of its change tells.
    site.bundle.write_bytes(old[:-2] + b" \n")
    os.utime(site.bundle, ns=(before.st_atime_ns, before.st_mtime_ns))
    page.reload()
    assert notes.filter(has_text="has changed since").count() == 1
    page.goto(site.url + "/")
    assert page.get_by_role("main").get_by_text("has changed since").count() == 1
    site.bundle.unlink()
    page.reload()
    assert page.get_by_role("main").get_by_text("cannot be read now").count() == 1
    site.bundle.write_bytes(old)
    page.reload()
    assert page.get_by_role("main").get_by_text("cannot be read now").count() == 0


def test_chips_filter_by_kind_and_live_in_the_address(page: Page, site: UiSite):
    page.goto(site.url + "/est/activity")
    table = page.get_by_test_id("est-activity-table")
    expect(table).to_contain_text("est_simple_enroll_success")
    page.get_by_test_id("est-activity-filter-authfailure").click()
    expect(page).to_have_url(re.compile("kind=authfailure"))
    actions = table.locator("summary").all_inner_texts()
    assert actions
    assert all(each.startswith("est_auth_failed") for each in actions)
    page.get_by_label("Profile").select_option("open")
    expect(page).to_have_url(re.compile("profile=open"))
    expect(page.get_by_test_id("est-activity-filter-authfailure")).to_have_attribute(
        "aria-current", "true"
    )
    page.reload()
    expect(page.get_by_label("Profile")).to_have_value("open")
    page.get_by_label("Text").fill("nothing holds this")
    page.get_by_role("button", name="Filter").click()
    expect(table).to_contain_text("Nothing matches these filters")


def test_a_row_opens_to_reason_rule_and_remedy(page: Page, site: UiSite):
    page.goto(site.url + "/est/activity?kind=authfailure&profile=corp")
    row = page.locator("tbody tr").last
    row.locator("summary").click()
    expect(row).to_contain_text("wrong_password")
    expect(row).to_contain_text("Rule")
    expect(row).to_contain_text("Authenticate with")
    page.goto(site.url + "/est/activity?kind=enrollment&text=sensor-001")
    row = page.locator("tbody tr").last
    row.locator("summary").click()
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("sensor-001")


def test_new_events_come_by_themselves_and_wait_while_paused(page: Page, site: UiSite):
    page.goto(site.url + "/est/activity?kind=enrollment")
    table = page.get_by_test_id("est-activity-table")
    expect(page.locator("#live-state")).to_have_text("Live")
    assert site.enroll("corp", "live-device") == 200
    fresh = table.locator("tr.fresh")
    expect(fresh).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    assert site.enroll("corp", "paused-device") == 200
    expect(page.locator("#live-state")).to_have_text("Paused, 1 new")
    assert fresh.count() == 1
    # An event that this filter does not let through is not shown either way.
    assert site.enroll("corp", "guesser", password="wrong") == 401
    page.get_by_role("button", name="Resume").click()
    expect(fresh).to_have_count(2)
    assert "est_auth_failed" not in table.inner_text()


def test_markup_in_a_live_row_is_text(page: Page, site: UiSite):
    page.goto(site.url + "/est/activity")
    expect(page.locator("#live-state")).to_have_text("Live")
    assert site.enroll("open", "<i id=live-markup>x</i>") == 200
    row = page.locator("tr.fresh").first
    row.locator("summary").click()
    expect(row).to_contain_text("live-markup")
    assert page.locator("#live-markup").count() == 0
