"""Has CAs outside told what was revoked (records §4), within seconds and until they know.

It only names what is due; the authority makes the calls, for it alone holds what opens a
CA, and writes down what came of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from certctl.authority.commands.telling import IssuersTold, TellIssuers
from certctl.authority.telling import JOB, MOST
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.events import CA_CHANNEL, Delivery, DeliveryStatus, ca_channel
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller


class TellingJob:
    """Implements ``loop.Job``."""

    name = JOB
    every_us = 1 * SECOND_US
    lease_us = 60 * SECOND_US

    def __init__(
        self, issuers: Iterable[str], *, records: Records, caller: Caller, clock: Clock
    ) -> None:
        """``issuers``: ids of the CAs outside that take revocations."""
        self._channels = {ca_channel(issuer_id) for issuer_id in issuers}
        self._records = records
        self._caller = caller
        self._clock = clock
        self._looked = False

    def is_wanted(self, now_us: int) -> bool:
        if not self._looked:
            # Issuers that are set up no more: the authority gives their rows up in time.
            self._channels |= {
                channel
                for channel, status in self._records.outbox_depth()
                if channel.startswith(CA_CHANNEL) and status is DeliveryStatus.WAITING
            }
            self._looked = True
        return any(self._records.due_deliveries(each, now_us, 1) for each in self._channels)

    def run(self, fence: int) -> None:
        now_us = self._clock()
        for channel in sorted(self._channels):
            due: list[Delivery] = [
                replace(each, body="")
                for each in self._records.due_deliveries(channel, now_us, MOST)
            ]
            if due:
                command = TellIssuers(fence=fence, deliveries=tuple(due))
                self._caller.execute(command, IssuersTold)
