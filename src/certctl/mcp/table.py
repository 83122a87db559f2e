"""Every tool, in the order in which they are listed."""

from __future__ import annotations

from certctl.mcp import est_tools, operator_tools
from certctl.mcp.tool import Tool

_ORDER = (
    "est_list_profiles",
    "est_admin_stats",
    "est_get_cacerts",
    "est_get_csrattrs",
    "est_enroll",
    "est_reenroll",
    "est_serverkeygen",
    "est_explain",
    "est_doctor",
    "est_recent_activity",
)

TOOLS: tuple[Tool, ...] = tuple(
    sorted((*operator_tools.TOOLS, *est_tools.TOOLS), key=lambda each: _ORDER.index(each.name))
)
