"""``/issuers`` as a person uses it: made, tried, given a certificate, switched, deleted."""

from __future__ import annotations

import datetime as dt

import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Page, expect

from certctl.domain.api_keys import Role
from tests.harness.device import name
from tests.harness.ui_site import MARKUP, UiSite


def test_the_list_tells_what_signs_and_for_whom(page: Page, site: UiSite) -> None:
    page.goto(site.url + "/issuers")
    row = page.get_by_test_id("issuer-iss-local")
    expect(row).to_contain_text("local, host")
    expect(row).to_contain_text("slow, corp, open")
    expect(row.locator(".badge.good").first).to_have_text("enabled")
    expect(page.get_by_test_id("issuer-below")).to_contain_text("pending")
    expect(page.get_by_test_id("issuer-plant")).to_contain_text(MARKUP)
    page.get_by_role("link", name="Issuers").click()
    expect(page.locator("nav [aria-current]")).to_have_text("Issuers")


def test_an_issuer_is_made_tried_disabled_and_deleted_by_keyboard(page: Page, site: UiSite) -> None:
    page.goto(site.url + "/issuers")
    page.get_by_label("Id", exact=True).fill("iss-local")
    page.get_by_role("button", name="Make issuer").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("CERTCTL_ISSUER_ISS_LOCAL_TYPE")
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Id", exact=True).fill("line-7")
    page.get_by_label("Name", exact=True).fill("Line 7")
    page.get_by_label("Key", exact=True).select_option("Ed25519")
    page.get_by_role("button", name="Make issuer").press("Enter")
    page.wait_for_url(site.url + "/issuers/line-7")
    page.get_by_test_id("issuer-test").press("Enter")
    expect(page.get_by_test_id("issuer-told")).to_contain_text("It works.")
    page.get_by_test_id("issuer-disable").press("Enter")
    dialog = page.get_by_role("dialog", name="Disable the issuer line-7")
    expect(dialog).to_contain_text("CRL and OCSP answers go on")
    dialog.get_by_role("link", name="Cancel").press("Enter")
    expect(dialog).to_be_hidden()
    assert site.api.get("/issuers/line-7")["state"] == "enabled"
    page.get_by_test_id("issuer-disable").press("Enter")
    dialog.get_by_role("button", name="Disable").press("Enter")
    expect(page.get_by_test_id("issuer-enable")).to_be_visible()
    page.get_by_test_id("issuer-enable").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Enable").press("Enter")
    expect(page.get_by_test_id("issuer-disable")).to_be_visible()
    page.get_by_test_id("issuer-delete").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    page.wait_for_url(site.url + "/issuers")
    assert page.get_by_test_id("issuer-line-7").count() == 0


def test_a_certificate_from_above_is_installed(page: Page, site: UiSite) -> None:
    page.goto(site.url + "/issuers")
    page.get_by_label("Id", exact=True).fill("under")
    page.get_by_label("It is").select_option("below a CA outside")
    page.get_by_role("button", name="Make issuer").click()
    page.wait_for_url(site.url + "/issuers/under")
    request = x509.load_pem_x509_csr(page.locator("#csr").inner_text().encode())
    root = ec.generate_private_key(ec.SECP256R1())
    chain = [certified(request.subject, request.public_key(), root)]
    page.get_by_label("Certificate and chain").fill(pem(chain))
    page.get_by_role("button", name="Install certificate").click()
    expect(page.get_by_role("alert")).to_contain_text("self-signed root")
    chain.append(certified(name("Root"), root.public_key(), root))
    page.get_by_label("Certificate and chain").fill(pem(chain))
    page.get_by_role("button", name="Install certificate").click()
    expect(page.locator("main .badge").first).to_have_text("enabled")
    assert page.locator("#csr").count() == 0
    assert page.locator("main summary").count() == 2
    assert Axe().run(page).violations_count == 0


def certified(
    subject: x509.Name, key: object, root: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name("Root"))
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root, hashes.SHA256())
    )


def pem(chain: list[x509.Certificate]) -> str:
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain).decode()


def test_what_is_in_use_says_so_in_the_dialog(page: Page, site: UiSite) -> None:
    page.goto(site.url + "/issuers/iss-local/disable")
    expect(page.locator("main")).to_contain_text("slow, corp, open")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("alert")).to_contain_text("read-only here")


@pytest.mark.parametrize("visitor", [Role.VIEWER, Role.OPERATOR], indirect=True)
def test_who_is_no_admin_reads(visitor: Page, site: UiSite) -> None:
    visitor.goto(site.url + "/issuers")
    assert visitor.get_by_role("button", name="Make issuer").count() == 0
    visitor.goto(site.url + "/issuers/plant")
    expect(visitor.get_by_role("heading", name="Chain")).to_be_visible()
    for each in ("issuer-test", "issuer-disable", "issuer-delete"):
        assert visitor.get_by_test_id(each).count() == 0
    answer = visitor.goto(site.url + "/issuers/plant/delete")
    assert answer is not None
    assert answer.status == 403
