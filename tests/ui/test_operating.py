"""Overview, requests, explain, audit, keys, jobs and events as a person uses them."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Browser, Locator, Page, expect

from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.ui_site import MARKUP, PASSWORD, UiSite, log_in, new_context


def test_the_overview_tells_what_happened_in_picture_and_table(page: Page, site: UiSite):
    page.goto(site.url + "/")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    expect(page.locator("main")).to_contain_text("authority: ready")
    assert int(page.get_by_test_id("pending-approvals").inner_text()) >= 1
    figures = page.get_by_role("region", name="Figures by hour").locator("tbody tr")
    assert figures.count() == 24
    newest = figures.first.locator("td.number").all_inner_texts()
    assert int(newest[0]) + int(newest[2]) > 0
    assert page.locator("svg.chart rect.enrolled").count() >= 1
    expect(page.get_by_test_id("concerns")).to_contain_text("the password is also that of")


def test_a_request_is_denied_with_a_reason(page: Page, site: UiSite):
    assert site.enroll("slow", "denied-device") == 202
    page.goto(site.url + "/requests")
    page.get_by_role("link", name="CN=denied-device").click()
    page.get_by_label("Reason; the device is told").fill(MARKUP)
    page.get_by_test_id("deny").click()
    expect(page.locator("main")).to_contain_text("the-admin denied")
    expect(page.locator("main")).to_contain_text(MARKUP)
    assert page.locator("b[onclick]").count() == 0
    assert page.get_by_test_id("approve").count() == 0


def test_a_request_is_approved_and_then_issued(page: Page, site: UiSite):
    device = Device(site.directory, "approved-device")
    path = "/.well-known/est/slow/simpleenroll"
    body = device.body()
    headers = basic("device", PASSWORD)
    assert device.enroll(site.server, path, headers=headers, body=body).status == 202
    page.goto(site.url + "/requests?status=waiting")
    page.get_by_role("link", name="CN=approved-device").click()
    page.get_by_label("Reason, for the record").fill("ticket 4711")
    page.get_by_test_id("approve").click()
    expect(page.locator("main")).to_contain_text("ticket 4711")
    assert device.enroll(site.server, path, headers=headers, body=body).status == 200
    page.reload()
    expect(page.locator("main .badge").first).to_have_text("issued")


def test_a_request_is_explained_rule_by_rule_and_nothing_is_issued(page: Page, site: UiSite):
    csr = Device(site.directory, "explained-device").csr().public_bytes(Encoding.PEM).decode()
    page.goto(site.url + "/explain")
    page.get_by_label("Certificate request").fill(csr)
    page.get_by_label("EST profile").select_option("corp")
    page.get_by_role("button", name="Explain").click()
    outcome = page.get_by_test_id("explained")
    expect(outcome.locator("tr", has_text="authentication")).to_contain_text("not judged")
    page.get_by_label("User").fill("device")
    page.get_by_role("button", name="Explain").click()
    expect(outcome).to_contain_text("Outcome: issued")
    expect(outcome).to_contain_text("CN=explained-device")
    assert Axe().run(page).violations_count == 0
    assert not [
        each
        for each in site.api.get("/certificates?per_page=500")["data"]
        if "explained-device" in each["subject"]
    ]


def test_what_is_no_request_is_explained_as_such(page: Page, site: UiSite):
    page.goto(site.url + "/explain")
    page.get_by_label("Certificate request").fill(MARKUP)
    page.get_by_label("User").fill("device")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_test_id("explained")).to_contain_text("Outcome: refused")
    page.get_by_text("With a client certificate").click()
    page.get_by_label("Client certificate").fill("nonsense")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("alert")).to_contain_text("is not PEM")


def test_the_audit_trail_is_filtered_by_the_address(page: Page, site: UiSite):
    page.goto(site.url + "/audit?action=api_key")
    rows = page.locator("#audit tbody tr")
    assert rows.count() >= 3
    page.get_by_label("Action begins with").fill("login_success")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("action=login_success"))
    expect(rows.first).to_contain_text("key:the-admin")
    page.get_by_label("Outcome").select_option("failure")
    expect(page.locator("#audit tbody")).to_contain_text("Nothing matches")


def test_a_key_is_made_shown_once_used_and_revoked(page: Page, browser: Browser, site: UiSite):
    page.goto(site.url + "/keys")
    page.get_by_label("Name").fill("bad name!")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("alert")).to_contain_text("name")
    page.get_by_label("Name").fill("dashboard")
    page.get_by_label("Only profiles").fill("corp, open")
    page.get_by_role("button", name="Make key").click()
    key = page.get_by_test_id("new-key").inner_text()
    assert Axe().run(page).violations_count == 0
    page.goto(site.url + "/keys")
    assert key not in page.content()
    context = new_context(browser)
    other = context.new_page()
    other.goto(site.url + "/certificates")
    other.get_by_label("API key").fill(key)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Certificates")
    row = page.locator("tr", has_text="dashboard")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    # Its session ends with it, within a second.
    expect(log_in_field(other)).to_be_visible()
    context.close()


def log_in_field(page: Page) -> Locator:
    """The field of the log-in page, once loading the page again leads there."""
    for _ in range(50):
        page.reload()
        if page.url.partition("?")[0].endswith("/login"):
            break
    return page.get_by_label("API key")


def test_jobs_and_events_are_listed(page: Page, site: UiSite):
    page.goto(site.url + "/jobs")
    sealing = page.locator("tbody tr").filter(has_text="checkpoint")
    expect(sealing).to_contain_text("seals the audit trail")
    page.goto(site.url + "/events?status=dead")
    expect(page.locator("tbody")).to_contain_text("No event is dead")


def test_logging_out_ends_the_session(browser: Browser, site: UiSite):
    context = new_context(browser)
    page = context.new_page()
    log_in(page, site)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_focused()
    page.goto(site.url + "/certificates")
    expect(page).to_have_url(re.compile("/login"))
    page.go_back()
    expect(page.get_by_label("API key")).to_be_visible()
    context.close()


def test_a_wrong_key_is_told_without_telling_more(browser: Browser, site: UiSite):
    context = new_context(browser)
    page = context.new_page()
    page.goto(site.url + "/")
    page.get_by_label("API key").fill(MARKUP)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This key opens nothing here")
    assert Axe().run(page).violations_count == 0
    page.goto(site.url + "/no-such-page")
    context.close()
