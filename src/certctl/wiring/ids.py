"""Where ids of records and events come from: the clock, and the system's randomness."""

from __future__ import annotations

import secrets

from certctl.domain.clock import Clock
from certctl.domain.ids import NewId, sortable_id


def new_ids(clock: Clock) -> NewId:
    """Gives ids that sort by this clock."""
    return lambda: sortable_id(clock(), secrets.token_bytes)
