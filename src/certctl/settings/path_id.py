"""Path IDs: the label of a profile in URLs and records (est §1, config §2)."""

from __future__ import annotations

import re
from typing import Final

MAX_LENGTH = 63
"""As long as a DNS label: enough for people, short enough for records and metrics."""

PATH_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

RESERVED: Final = frozenset(
    {
        "cacerts",
        "csrattrs",
        "simpleenroll",
        "simplereenroll",
        "serverkeygen",
        "fullcmc",
        "est",
        "est-mtls",
    }
)
"""Operations and route names: a profile called so would shadow the root's URLs."""

RULE: Final = (
    f"1 to {MAX_LENGTH} of a-z 0-9 -, no hyphen at either end, and none of "
    f"{' '.join(sorted(RESERVED))}"
)


def path_id_problem(text: str) -> str | None:
    """Why a lower-case name cannot be a path ID; None when it can."""
    if text in RESERVED:
        return "reserved path ID"
    if PATH_ID.fullmatch(text) is None:
        return "bad path ID"
    return None
