"""Which paths are pages: known before any page is loaded."""

from __future__ import annotations

from typing import Final

FIRST_SEGMENTS: Final = frozenset(
    {
        b"login",
        b"logout",
        b"static",
        b"est",
        b"certificates",
        b"requests",
        b"explain",
        b"issuers",
        b"profiles",
        b"audit",
        b"keys",
        b"jobs",
        b"events",
    }
)


def is_page(path: bytes) -> bool:
    """Whether a path (as it came, not decoded) belongs to the web pages."""
    return path == b"/" or path[1:].partition(b"/")[0] in FIRST_SEGMENTS
