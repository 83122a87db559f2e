"""A node whose certificates come into partitions of the CRL, for tests of their lists."""

from __future__ import annotations

from pathlib import Path

from certctl.authority.crl_partitions import settle
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import crl_scope
from certctl.domain.crl_partitions import CrlPartition
from certctl.jobs.crl import CrlJob, DeltaCrls
from certctl.jobs.loop import JobLoop
from tests.contract.samples import certificate
from tests.unit.jobs.crl_node import ISSUER, START_US, TIMES, Node

BASE = "http://pki.example.org/.well-known/pki"
PARTS = tuple(CrlPartition(number=number, base=BASE) for number in (1, 2, 3))
URLS = {each.number: each.url(ISSUER) for each in PARTS}
WHOLE = f"{BASE}/crls/{ISSUER}.crl"
DELTA = DeltaCrls(url=f"{BASE}/delta/{ISSUER}.crl", interval_us=600 * SECOND_US)


def scope(number: int) -> str:
    return crl_scope(ISSUER, partition=number)


class PartedNode(Node):
    """Three partitions on record. ``issue`` puts certificates into them by turns."""

    delta: DeltaCrls | None = None

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.settle(3)

    def settle(self, wanted: int, base: str = BASE) -> list[int]:
        """A start with that setting; gives the partitions in use."""
        with self.store.transaction() as transaction:
            used, event = settle(transaction, base=base, wanted=wanted, now_us=self.now_us)
        self.event = event
        self.divide()
        return [each.number for each in used]

    def divide(self) -> None:
        rows = [each for each in self.records.crl_partitions() if each.is_published]
        self.job.divide({each.number: each.url(ISSUER) for each in rows})

    def restart(self) -> None:
        self.job = CrlJob(
            ISSUER,
            self.ca.crl_issuer,
            TIMES,
            records=self.records,
            caller=self,
            delta=self.delta,
            clock=lambda: self.now_us,
            on_published=lambda crl, _took_us: self.published.append(crl),
        )
        self.divide()
        self.loop = JobLoop(
            [self.job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda _, fault: self.told.append(fault),
        )

    def issue(self, *numbers: int, not_after_us: int = START_US + 90 * DAY_US) -> None:
        """Number 1 comes into partition 1, 4 as well; those from 100 on into none."""
        with self.store.transaction() as transaction:
            transaction.record_certificates(
                [
                    certificate(
                        number,
                        not_after_us=not_after_us,
                        crl_partition=None if number >= 100 else 1 + (number - 1) % 3,
                    )
                    for number in numbers
                ]
            )

    def lists(self) -> list[set[int]]:
        return [self.listed(scope(number)) for number in (1, 2, 3)]
