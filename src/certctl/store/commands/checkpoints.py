"""Append checkpoints of the audit trail (records §5). Nothing here changes one."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from certctl.domain.checkpoint import Checkpoint
from certctl.store.rows import checkpoint_row
from certctl.store.tables import checkpoints


def append_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    """Insert one; its number is unique."""
    connection.execute(insert(checkpoints).values(checkpoint_row(checkpoint)))
