"""Certificates as a person works with them: find, read, revoke one, revoke many."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from playwright.sync_api import Page, expect

from tests.harness.ui_site import UiSite


def test_a_name_is_found_by_how_it_begins(page: Page, site: UiSite):
    page.goto(site.url + "/certificates")
    page.get_by_label("Find", exact=True).fill("SENSOR-00")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile("text=SENSOR-00"))
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Find", exact=True).fill("no-such-name")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("tbody")).to_contain_text("No certificate is found")


def test_a_serial_number_is_found_as_tools_write_it(page: Page, site: UiSite):
    known = site.api.get(f"/certificates/{site.certificate_id('sensor-000')}")
    text = known["serial"].upper()
    colons = ":".join(text[at : at + 2] for at in range(0, len(text), 2))
    page.goto(site.url + f"/certificates?by=serial&text={colons}")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("sensor-000")
    answer = page.goto(site.url + "/certificates?by=fingerprint&text=xyz")
    assert answer is not None
    assert answer.status == 422
    expect(page.get_by_role("alert")).to_contain_text("cannot be searched for")


def test_a_certificate_is_decoded_with_chain_request_and_trail(page: Page, site: UiSite):
    page.goto(site.url + f"/certificates/{site.certificate_id('sensor-000')}")
    main = page.locator("main")
    for text in (
        "extendedKeyUsage",
        "ECDSA, secp256r1",
        "The request",
        "It renews nothing",
        "est_simple_enroll_success",
        "CN=sensor-000",
    ):
        expect(main).to_contain_text(text)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download with chain").click()
    chain = x509.load_pem_x509_certificates(waiting.value.path().read_bytes())
    assert chain[0].subject.rfc4514_string() == "CN=sensor-000"
    assert len(chain) >= 2


def test_one_is_revoked_with_a_reason_by_keyboard_alone(page: Page, site: UiSite):
    site.enroll("corp", "to-be-revoked")
    certificate = site.certificate_id("to-be-revoked")
    page.goto(site.url + f"/certificates/{certificate}")
    page.get_by_test_id("revoke").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.keyboard.type("key")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("keyCompromise")
    expect(page.get_by_test_id("revoke")).to_have_count(0)
    known = site.api.get(f"/certificates/{certificate}")
    assert (known["status"], known["revocation_reason"]) == ("revoked", "keyCompromise")
    (event, *_) = site.api.get("/audit?action=certificate_revoked")["data"]
    assert (event["actor"], event["resource"]["id"]) == ("key:the-admin", certificate)


@pytest.mark.parametrize("visitor", ["viewer"], indirect=True)
def test_a_viewer_is_not_offered_what_it_may_not_do(visitor: Page, site: UiSite):
    visitor.goto(site.url + f"/certificates/{site.certificate_id('sensor-000')}")
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("sensor-000")
    assert visitor.get_by_test_id("revoke").count() == 0
    names = visitor.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    open_to_viewers = ["Overview", "EST Admin", "Certificates", "Issuers", "Certificate profiles"]
    assert names == [*open_to_viewers, "Audit", "Events", "Jobs"]


def test_many_are_counted_confirmed_by_typing_and_revoked(page: Page, site: UiSite):
    for number in range(3):
        assert site.enroll("open", f"bulk-{number}") == 200
    page.goto(site.url + "/certificates/bulk")
    page.get_by_label("Reason").select_option("superseded")
    page.get_by_test_id("bulk-count").click()
    expect(page.get_by_role("alert")).to_contain_text("no criterion is given")
    page.get_by_label("EST profile").select_option("open")
    page.get_by_test_id("bulk-count").click()
    totals = page.get_by_test_id("bulk-totals")
    expect(totals).to_contain_text("would be revoked")
    assert Axe().run(page).violations_count == 0
    counted = totals.locator("strong").inner_text()
    assert int(counted) >= 3
    page.get_by_label("Type").fill("revoke all")
    page.get_by_test_id("bulk-confirm").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was revoked")
    assert site.api.get(f"/certificates/{site.certificate_id('bulk-0')}")["status"] == "valid"
    page.get_by_label("Type").fill(f"revoke {counted}")
    page.get_by_test_id("bulk-confirm").click()
    expect(page.get_by_test_id("bulk-done")).to_contain_text(f"{counted} revoked")
    assert site.api.get(f"/certificates/{site.certificate_id('bulk-2')}")["status"] == "revoked"
    # Those of another profile are left alone.
    assert site.api.get(f"/certificates/{site.certificate_id('sensor-000')}")["status"] == "valid"
    (event,) = site.api.get("/audit?action=est_bulk_revoke")["data"]
    assert event["actor"] == "key:the-admin"
