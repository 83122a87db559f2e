"""Draws pictures of the pages: ``scripts/screenshots [FOLDER] [--all]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.harness.ui_site import NARROW, WIDE, UiSite, chromium, log_in, new_context, ui_site

KEPT = (
    ("overview", "/", WIDE, "light"),
    ("est-profiles", "/est", WIDE, "light"),
    ("est-activity-dark", "/est/activity", (1100, 620), "dark"),
    ("certificates-narrow", "/certificates", NARROW, "light"),
    ("certificate-profile", "/profiles/~new?like=ruled", (1100, 760), "light"),
    ("audit", "/audit", (1100, 700), "light"),
    ("requests", "/requests", (1100, 520), "light"),
    ("keys", "/keys", (1100, 620), "light"),
)


def every(site: UiSite) -> list[tuple[str, str, tuple[int, int], str]]:
    """All pages in both sizes and colour schemes."""
    sensor = site.certificate_id("sensor-001")
    waiting = site.api.get("/est/requests?status=waiting")["data"][0]["id"]
    paths = [
        *("/", "/est", "/est/activity", "/est/trust", "/est/reload?path_id=corp"),
        *("/certificates", f"/certificates/{sensor}", f"/certificates/{sensor}/revoke"),
        *("/certificates/bulk", "/requests", f"/requests/{waiting}", "/explain", "/audit"),
        *("/issuers", "/issuers/plant", "/issuers/plant/delete", "/issuers/below"),
        *("/profiles", "/profiles/ruled", "/profiles/~new", "/events", "/jobs", "/keys"),
    ]
    return [
        (f"{_name(path)}-{size[0]}-{scheme}", path, size, scheme)
        for path in paths
        for size in (WIDE, NARROW)
        for scheme in ("light", "dark")
    ]


def _name(path: str) -> str:
    return path.strip("/").replace("/", "-").partition("?")[0] or "overview"


def main(folder: Path, *, all_pages: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, ui_site(Path(directory)) as site:
        wanted = every(site) if all_pages else KEPT
        with chromium() as browser:
            for name, path, size, scheme in wanted:
                context = new_context(browser, size=size, scheme=scheme)
                page = context.new_page()
                log_in(page, site, path=path)
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}.png", full_page=all_pages, scale="css")
                context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/screenshots"))
    parser.add_argument(
        "--all", action="store_true", help="every page, whole, in both schemes and sizes"
    )
    given = parser.parse_args()
    main(given.folder, all_pages=given.all)
