"""Metrics know every path that is served, and no other."""

from __future__ import annotations

from certctl.web.api.lazy import STATIC_PATHS
from certctl.web.api.table import ENDPOINTS
from certctl.web.counted_routes import COUNTED_ROUTES
from certctl.web.mcp import PATH as MCP
from certctl.web.ui import login
from certctl.web.ui.static_files import PREFIX
from certctl.web.ui.table import PAGES


def test_they_are_those_of_the_tables() -> None:
    served = {("api", each.full_path, each.method) for each in ENDPOINTS}
    served |= {("api", path.decode(), "GET") for path in STATIC_PATHS}
    served |= {("pages", each.path, each.method) for each in PAGES}
    served |= {("pages", login.LOGIN, "GET"), ("pages", PREFIX + "{file}", "GET")}
    served |= {("pages", path, "POST") for path in login.PATHS}
    served |= {("mcp", MCP.decode(), "POST")}
    assert len(set(COUNTED_ROUTES)) == len(COUNTED_ROUTES)
    assert set(COUNTED_ROUTES) == served
