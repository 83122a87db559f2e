"""Which partitions of CRLs this server puts certificates into: settings meet the record."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from certctl.authority.audit import Chain
from certctl.authority.crl_partitions import settle
from certctl.domain.clock import Clock
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.errors import StoreUnavailable
from certctl.domain.ids import NewId
from certctl.domain.ports import RunAgain
from certctl.settings.schema import Settings
from certctl.store import SqlStore
from certctl.wiring.pointers import pki_url

_TRIES: Final = 5


def open_partitions(
    settings: Settings, store: SqlStore, *, clock: Clock, new_id: NewId
) -> tuple[CrlPartition, ...]:
    """Those in use, on record; none where the setting is off.

    Raises:
        StoreUnavailable: they cannot be put on record now.
    """
    number = settings.revocation.crl_partitions
    wanted = number if number > 1 else 0
    for _ in range(_TRIES):
        # Another node that starts at the same moment may be in the way: what it has written
        # stands, and is read then.
        with suppress(RunAgain):
            with store.transaction() as transaction:
                used, event = settle(
                    transaction,
                    base=pki_url(settings) or "",
                    wanted=wanted,
                    now_us=clock(),
                )
                if event is not None:
                    chain = Chain(store.node, transaction.last_event(store.node))
                    transaction.append_events(chain.extend([event], new_id))
            return used
    raise StoreUnavailable("store")
