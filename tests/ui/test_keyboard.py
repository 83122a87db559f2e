"""Two flows without a mouse from the log-in on: every control is reached with the Tab key."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect

from certctl.domain.api_keys import Role
from tests.harness.pki import ForeignCA
from tests.harness.ui_site import UiSite, new_context

MOST_STOPS = 120


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus, which must be seen."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            assert target.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
            return
    raise AssertionError(f"the Tab key never reaches {target}")


def typed_in(browser: Browser, site: UiSite) -> Page:
    """Logged in by typing alone."""
    page = new_context(browser).new_page()
    page.goto(site.url + "/")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(site.keys[Role.ADMIN])
    page.keyboard.press("Enter")
    page.wait_for_url(site.url + "/")
    return page


def test_a_trust_bundle_is_reloaded(browser: Browser, site: UiSite):
    page = typed_in(browser, site)
    old = site.bundle.read_bytes()
    ForeignCA("typed-factory").bundle(site.bundle)
    tab_to(page, page.get_by_role("link", name="EST Admin"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_test_id("est-reload-trust-corp"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Reload trust anchor: corp")
    expect(dialog).to_contain_text("CN=typed-factory")
    # Within the dialog the key goes round, and never to the page behind it.
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || "
            "document.activeElement.closest('dialog') !== null"
        )
    tab_to(page, page.get_by_test_id("est-reload-confirm"))
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("est-reload-done")).to_contain_text("Reloaded")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    (event, *_) = site.api.get("/audit?action=est_trust_anchor_reloaded")["data"]
    assert event["actor"] == "key:the-admin"
    site.bundle.write_bytes(old)
    page.context.close()


def test_a_certificate_is_revoked(browser: Browser, site: UiSite):
    site.enroll("corp", "typed-away")
    certificate = site.certificate_id("typed-away")
    page = typed_in(browser, site)
    tab_to(page, page.get_by_role("link", name="Certificates", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url(site.url + "/certificates")
    tab_to(page, page.get_by_label("Find", exact=True))
    page.keyboard.type("typed-aw")
    page.keyboard.press("Enter")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    tab_to(page, row.get_by_role("link", name="CN=typed-away"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_test_id("revoke"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke CN=typed-away")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("superseded")
    tab_to(page, page.get_by_test_id("revoke-confirm"))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("superseded")
    known = site.api.get(f"/certificates/{certificate}")
    assert (known["status"], known["revocation_reason"]) == ("revoked", "superseded")
    page.context.close()
