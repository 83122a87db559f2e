"""Certificate profiles as a person reads, makes, changes and removes them."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from certctl.web.ui.profile_form import KINDS
from tests.harness.ui_site import MARKUP, UiSite


def test_the_list_tells_where_each_is_from_and_who_issues_by_it(page: Page, site: UiSite):
    page.goto(site.url + "/profiles")
    row = page.locator("tr", has=page.get_by_role("link", name="ruled", exact=True))
    expect(row).to_contain_text("a file")
    expect(row).to_contain_text("slow")
    expect(row).to_contain_text("1 operator")
    row = page.locator("tr", has=page.get_by_role("link", name="default", exact=True))
    expect(row).to_contain_text("built in")
    expect(row).to_contain_text("corp, open")


def test_every_field_of_one_is_told(page: Page, site: UiSite):
    page.goto(site.url + "/profiles/ruled")
    expect(page.get_by_test_id("profile-used-by")).to_have_text("slow")
    for name in KINDS:
        expect(page.locator("dt", has_text=re.compile(f"^{re.escape(name)}$"))).to_be_visible()
    approval = page.locator("dt", has_text="requires_approval").locator("+ dd")
    expect(approval).to_contain_text("true")
    # A file is not changed here.
    assert page.get_by_test_id("profile-edit").count() == 0
    assert page.get_by_test_id("profile-delete").count() == 0
    answer = page.goto(site.url + "/profiles/ruled/edit")
    assert answer is not None
    assert answer.status == 409
    expect(page.get_by_role("alert")).to_contain_text("It comes from a file")


def test_faults_stand_at_their_fields_and_nothing_is_saved(page: Page, site: UiSite):
    page.goto(site.url + "/profiles/~new")
    page.get_by_label("Id", exact=True).fill("Not An Id")
    page.get_by_label("approvals_needed", exact=True).fill("0")
    page.get_by_test_id("profile-save").click()
    # All faults at once.
    expect(page.locator("#p-id-fault")).to_contain_text("lower-case letters")
    expect(page.get_by_test_id("fault-approvals_needed")).to_contain_text("1 to 9")
    page.get_by_label("approvals_needed", exact=True).fill("1")
    page.get_by_label("Id", exact=True).fill("cp-faulty")
    page.get_by_label("max_sans", exact=True).fill("many")
    page.get_by_label("allowed_ekus", exact=True).fill("clientAuth\nserverauth")
    page.get_by_label("allowed_key_algorithms", exact=True).fill("RSA 1024")
    page.get_by_label("required_subject_patterns", exact=True).fill(f"CN = (\nXX = {MARKUP}")
    page.get_by_label("name_constraints.excluded", exact=True).fill("example.com")
    page.get_by_test_id("profile-save").click()
    expect(page.get_by_test_id("profile-refused")).to_contain_text("6 faults below")
    expect(page.get_by_test_id("fault-max_sans")).to_contain_text("whole numbers from 0 to 1000")
    expect(page.get_by_test_id("fault-allowed_ekus")).to_contain_text("did you mean serverAuth?")
    expect(page.get_by_test_id("fault-allowed_key_algorithms")).to_contain_text("2048 to 8192")
    expect(page.get_by_test_id("fault-required_subject_patterns")).to_contain_text("XX")
    expect(page.get_by_test_id("fault-name_constraints.excluded")).to_contain_text("not kind:name")
    # What was typed is still there, as text, and a reader hears the fault with its field.
    field = page.get_by_label("max_sans", exact=True)
    expect(field).to_have_value("many")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = (field.get_attribute("aria-describedby") or "").split()
    assert "p-max_sans-fault" in described
    assert page.locator("b[onclick]").count() == 0
    assert Axe().run(page).violations_count == 0
    assert "cp-faulty" not in {each["id"] for each in site.api.get("/profiles")["data"]}


def test_one_is_made_changed_and_removed(page: Page, site: UiSite):
    page.goto(site.url + "/profiles")
    page.get_by_role("link", name="Make a profile").click()
    page.get_by_label("Id", exact=True).fill("cp-made")
    page.get_by_label("description", exact=True).fill(MARKUP)
    page.get_by_label("max_ttl_seconds", exact=True).fill("86400")
    page.get_by_label("required_san_patterns", exact=True).fill(r"dns:.*\.example  ")
    page.get_by_label("must_staple", exact=True).select_option("true")
    page.get_by_test_id("profile-save").click()
    # At once, though workers issue by it only within a second.
    expect(page).to_have_url(site.url + "/profiles/cp-made")
    expect(page.locator("main")).to_contain_text("1 day")
    expect(page.locator("main")).to_contain_text(MARKUP)
    expect(page.get_by_test_id("profile-used-by")).to_have_text("none")
    kept = site.api.get("/profiles/cp-made")["document"]
    assert kept == {
        "description": MARKUP,
        "max_ttl_seconds": 86400,
        "required_san_patterns": [r"dns:.*\.example"],
        "must_staple": True,
    }
    page.get_by_test_id("profile-edit").click()
    page.get_by_label("approvals_needed", exact=True).fill("0")
    page.get_by_test_id("profile-save").click()
    expect(page.get_by_test_id("fault-approvals_needed")).to_contain_text("1 to 9")
    page.get_by_label("approvals_needed", exact=True).fill("2")
    page.get_by_test_id("profile-save").click()
    expect(page.locator("main")).to_contain_text("Version")
    assert site.api.get("/profiles/cp-made")["document"] == kept | {"approvals_needed": 2}
    page.get_by_test_id("profile-delete").click()
    dialog = page.get_by_role("dialog", name="Remove the certificate profile cp-made")
    expect(dialog).to_contain_text("No EST profile names it")
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("profile-delete")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_test_id("profile-delete-confirm").click()
    expect(page).to_have_url(site.url + "/profiles")
    assert page.get_by_role("link", name="cp-made").count() == 0
    changes = [
        each["details"]["change"]
        for each in site.api.get("/audit?action=config_changed&text=cp-made")["data"]
    ]
    assert changes == ["deleted", "put", "put"]


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(page: Page, site: UiSite):
    site.api.post("/profiles", {"id": "cp-two", "document": {}})
    page.goto(site.url + "/profiles/cp-two/edit")
    changed = {"document": {"max_sans": 7}, "expected_version": 1}
    assert site.api.send("PUT", "/profiles/cp-two", changed).status == 200
    page.get_by_label("name", exact=True).fill("mine")
    page.get_by_test_id("profile-save").click()
    refused = page.get_by_test_id("profile-refused")
    expect(refused).to_contain_text("at version 2, not 1")
    # Pressing again does not overwrite it either.
    page.get_by_test_id("profile-save").click()
    expect(refused).to_contain_text("at version 2, not 1")
    assert site.api.get("/profiles/cp-two")["document"] == {"max_sans": 7}
    page.goto(site.url + "/profiles/~new")
    page.get_by_label("Id", exact=True).fill("cp-two")
    page.get_by_test_id("profile-save").click()
    expect(refused).to_contain_text("at version 2, not 0")


def test_one_begins_as_another(page: Page, site: UiSite):
    page.goto(site.url + "/profiles/ruled")
    page.get_by_role("link", name="Make one like it").click()
    expect(page.get_by_label("requires_approval", exact=True)).to_have_value("true")


@pytest.mark.parametrize("visitor", ["viewer", "operator"], indirect=True)
def test_who_is_no_admin_reads_and_changes_nothing(visitor: Page, site: UiSite):
    visitor.goto(site.url + "/profiles")
    assert visitor.get_by_role("link", name="Make a profile").count() == 0
    visitor.get_by_role("link", name="ruled", exact=True).click()
    expect(visitor.locator("main")).to_contain_text("requires_approval")
    assert visitor.get_by_role("link", name="Make one like it").count() == 0
    answer = visitor.goto(site.url + "/profiles/~new")
    assert answer is not None
    assert answer.status == 403
