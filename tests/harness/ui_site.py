"""A server with something on every page, and a browser that a person would use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from certctl.domain.api_keys import Role
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import basic, fetch
from tests.harness.pki import ForeignCA
from tests.harness.server import RunningServer, ruled_server

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "password-of-the-gui-test"
MARKUP = "<b onclick=alert(1)>bold</b>"

WIDE = (1280, 900)
NARROW = (360, 740)
ZOOMED = (640, 450)


@dataclass
class UiSite:
    """``corp`` takes client certificates, ``slow`` waits for operators, ``open`` is tenant
    north's.
    """

    directory: Path
    server: RunningServer
    keys: dict[Role, str]
    factory: ForeignCA

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def bundle(self) -> Path:
        return self.directory / "corp.pem"

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.server, self.keys[Role.ADMIN])

    def enroll(self, path_id: str, common_name: str, password: str = PASSWORD) -> int:
        """The status of one device's first request."""
        device = Device(self.directory, common_name)
        path = f"/.well-known/est/{path_id}/simpleenroll"
        return device.enroll(self.server, path, headers=basic("device", password)).status

    def certificate_id(self, common_name: str) -> str:
        """Of the newest certificate whose subject holds this text."""
        found = [
            each
            for each in self.api.get("/certificates?per_page=500")["data"]
            if common_name in each["subject"]
        ]
        return str(found[-1]["id"])


@contextlib.contextmanager
def ui_site(directory: Path, **more: str) -> Iterator[UiSite]:
    """A running server with devices, refusals and a waiting request on record."""
    factory = ForeignCA("factory")
    factory.bundle(directory / "corp.pem")
    config_key = directory / "config.key"
    config_key.write_text("5a" * 32)
    profile = {
        "ISSUER_ID": "iss-local",
        "ALLOWED_AUTH_MODES": "basic",
        "ENROLLMENT_PASSWORD": PASSWORD,
    }
    settings = {
        f"EST_PROFILE_{name}_{field}": value
        for name in ("SLOW", "CORP", "OPEN")
        for field, value in profile.items()
    } | {
        "EST_PROFILES": "slow,corp,open",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(directory / "corp.pem"),
        "EST_PROFILE_CORP_PROFILE_ID": "default",
        "EST_PROFILE_OPEN_PROFILE_ID": "default",
        "EST_PROFILE_OPEN_TENANT": "north",
        "CONFIG_ENCRYPTION_KEY_FILE": str(config_key),
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    rules = {"requires_approval": True}
    with ruled_server(directory, settings | more, rules) as server:
        keys = {role: first_key(server, f"the-{role.value}", role) for role in Role}
        site = UiSite(directory, server, keys, factory)
        for number in range(3):
            assert site.enroll("corp", f"sensor-{number:03}") == 200
        assert site.enroll("open", MARKUP) == 200
        assert site.enroll("slow", f"pump-{MARKUP}") == 202
        assert site.enroll("corp", "intruder", password="guessed") == 401
        fetch(
            server,
            "POST",
            "/.well-known/est/corp/simpleenroll",
            body=b"no request at all",
            headers=basic("device", PASSWORD),
        )
        site.api.post("/issuers", {"id": "plant", "display_name": MARKUP, "key_type": "P-384"})
        site.api.post("/issuers", {"id": "below", "subordinate": True, "common_name": MARKUP})
        yield site


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


def new_context(
    browser: Browser, *, size: tuple[int, int] = WIDE, scheme: str = "light", scale: float = 1
) -> BrowserContext:
    """A browser as after its first start; the test's own CA is not in its store.

    At a ``scale`` of 2 half as many pixels of CSS are as wide: a page zoomed to 200 %.
    """
    context = browser.new_context(
        ignore_https_errors=True,
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=scale,
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Asia/Kolkata",
    )
    context.set_default_timeout(15_000)
    return context


def log_in(page: Page, site: UiSite, role: Role = Role.ADMIN, path: str = "/") -> None:
    """Type a key as a person does."""
    page.goto(site.url + path)
    page.get_by_label("API key").fill(site.keys[role])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(site.url + path)
