"""Bulk revocation over a real store: slices, two at once, what comes meanwhile, named ids."""

from __future__ import annotations

from typing import Any

import pytest

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.authority.commands import (
    BeginBulkRevoke,
    BulkRevokeBegun,
    RevokeSlice,
    SliceRevoked,
)
from certctl.domain.audit import AuditAction
from certctl.domain.bulk_revocation import SLICE, CriteriaRefused, RevocationCriteria
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.errors import Conflict
from certctl.domain.ids import sortable_id
from certctl.domain.inventory import CertificateFilter, WantedStatus
from certctl.domain.revocation import RevocationReason
from tests.contract.samples import DAY, certificate
from tests.harness.replacing import replace
from tests.unit.authority.conftest import NOW_US, Workshop

FLEET = RevocationCriteria(profile="demo")
LOST = RevocationReason.KEY_COMPROMISE
HOLD = RevocationReason.CERTIFICATE_HOLD
HOUR = DAY // 24


def device(number: int, **changes: Any) -> CertificateRecord:
    issued_us = changes.pop("issued_us", NOW_US - 2 * HOUR + number)
    return replace(
        certificate(number),
        **{
            "id": sortable_id(issued_us, lambda count: number.to_bytes(count, "big")),
            "issued_us": issued_us,
            "not_before_us": issued_us,
            "not_after_us": NOW_US + DAY,
        }
        | changes,
    )


def put(workshop: Workshop, *records: CertificateRecord) -> None:
    with workshop.store.transaction() as transaction:
        transaction.record_certificates(records)


class Bulk:
    """One bulk revocation over a workshop."""

    def __init__(
        self, workshop: Workshop, criteria: RevocationCriteria = FLEET, reason: Any = LOST
    ) -> None:
        self.workshop = workshop
        self.records = workshop.records()
        self.bulk = BulkRevocation(
            criteria,
            reason,
            actor="host:root",
            operation="op",
            records=self.records,
            now_us=workshop.now_us,
        )
        self.commands = self.bulk.commands()

    def execute(self, command: BeginBulkRevoke | RevokeSlice) -> BulkRevokeBegun | SliceRevoked:
        result = self.workshop.service.execute(command)
        assert isinstance(result, BulkRevokeBegun | SliceRevoked), result
        return result

    def step(self) -> bool:
        """Carry out the next command; False: there is none."""
        command = next(self.commands, None)
        if command is not None:
            self.bulk.take(self.execute(command))
        return command is not None

    def finish(self) -> dict[str, int]:
        while self.step():
            pass
        self.records.close()
        totals = self.bulk.totals
        return {
            "matched": totals.total_matched,
            "revoked": totals.total_revoked,
            "skipped": totals.total_skipped,
            "failed": totals.total_failed,
        }


def told(workshop: Workshop, action: AuditAction) -> list[str]:
    records = workshop.records()
    events = records.events(limit=10_000)
    records.close()
    return [each.event.resource_id for each in events if each.event.action is action]


def test_more_than_one_slice_are_all_revoked_with_an_event_each(workshop: Workshop):
    rows = [device(n) for n in range(2 * SLICE + 5)]
    put(workshop, *rows)
    bulk = Bulk(workshop)
    assert bulk.step()  # its event
    assert told(workshop, AuditAction.CERTIFICATE_REVOKED) == []
    assert bulk.step()
    assert len(told(workshop, AuditAction.CERTIFICATE_REVOKED)) == SLICE
    done = bulk.finish()
    assert done == {"matched": len(rows), "revoked": len(rows), "skipped": 0, "failed": 0}
    assert sorted(told(workshop, AuditAction.CERTIFICATE_REVOKED)) == [each.id for each in rows]
    assert told(workshop, AuditAction.BULK_REVOKE) == ["op"]


def test_two_at_once_revoke_nothing_twice(workshop: Workshop):
    rows = [device(n) for n in range(3 * SLICE)]
    put(workshop, *rows)
    one, other = Bulk(workshop), Bulk(workshop)
    while one.step() | other.step():
        pass
    first, second = one.finish(), other.finish()
    assert first["revoked"] + second["revoked"] == len(rows)
    assert first["revoked"] > 0
    assert second["revoked"] > 0
    revoked = told(workshop, AuditAction.CERTIFICATE_REVOKED)
    assert sorted(revoked) == [each.id for each in rows]


def test_ended_half_way_the_same_once_more_goes_on(workshop: Workshop):
    rows = [device(n) for n in range(2 * SLICE)]
    put(workshop, *rows)
    half = Bulk(workshop)
    assert half.step()
    assert half.step()
    half.records.close()
    again = Bulk(workshop).finish()
    assert again == {"matched": 2 * SLICE, "revoked": SLICE, "skipped": SLICE, "failed": 0}
    assert len(told(workshop, AuditAction.CERTIFICATE_REVOKED)) == 2 * SLICE


def test_a_renewal_meanwhile_does_not_escape(workshop: Workshop):
    """Its id may even sort before what was read last: another node's clock, or chance."""
    put(workshop, *(device(n) for n in range(3)))
    bulk = Bulk(workshop)
    while bulk.step():
        if bulk.bulk.totals.total_revoked == 3:
            put(workshop, device(9, issued_us=NOW_US - 1_000_000))
            break
    done = bulk.finish()
    assert done == {"matched": 4, "revoked": 4, "skipped": 0, "failed": 0}


def test_expired_and_revoked_ones_are_skipped_and_a_hold_is_replaced(workshop: Workshop):
    put(workshop, *(device(n) for n in range(3)), device(3, not_after_us=NOW_US - HOUR))
    with workshop.store.transaction() as transaction:
        transaction.revoke_certificates([device(0).id], 5, RevocationReason.SUPERSEDED)
        transaction.revoke_certificates([device(1).id], 5, HOLD)
    assert Bulk(workshop, reason=HOLD).finish()["revoked"] == 1
    done = Bulk(workshop).finish()
    assert done == {"matched": 4, "revoked": 2, "skipped": 2, "failed": 0}
    records = workshop.records()
    first = records.certificate(device(0).id)
    records.close()
    assert first is not None
    assert (first.revoked_us, first.revocation_reason) == (5, "superseded")


CHOSEN: dict[str, tuple[dict[str, Any], set[int]]] = {
    "profile": ({"profile": "iot"}, {1}),
    "legacy profile": ({"profile": ""}, {2}),
    "certificate profile": ({"profile_id": "cp-iot"}, {3}),
    "issuer": ({"issuer_id": "iss-other"}, {4}),
    "tenant": ({"tenant": "acme"}, {5}),
    "principal": ({"principal": "Fleet"}, {6}),
    "principal in another case": ({"principal": "fleet"}, set()),
    "issued after": ({"issued_after_us": NOW_US - HOUR}, {7}),
    "issued before": ({"issued_before_us": NOW_US - 3 * HOUR}, {8}),
    "ids": ({"certificate_ids": (device(0).id, device(0).id)}, {0}),
    "serials": ({"serials": (device(0).serial.upper(), "0" + device(0).serial)}, {0}),
    "ids and serials": ({"certificate_ids": (device(0).id,), "serials": ("1",)}, set()),
    "ids of another profile": ({"certificate_ids": (device(0).id,), "profile": "iot"}, set()),
    "all of it": ({"profile": "demo", "principal": "Fleet", "issuer_id": "iss-local"}, {6}),
    "not all of it": ({"profile": "iot", "principal": "Fleet"}, set()),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_each_criterion_chooses_and_all_must_hold(workshop: Workshop, name: str):
    rows = [
        device(0),
        device(1, profile="iot"),
        device(2, profile=""),
        device(3, certificate_profile="cp-iot"),
        device(4, issuer_id="iss-other"),
        device(5, tenant="acme"),
        device(6, principal="Fleet"),
        device(7, issued_us=NOW_US - HOUR),
        device(8, issued_us=NOW_US - 4 * HOUR),
        # Another source is chosen by nothing, although it has all of it.
        device(
            9,
            source=CertificateSource.API,
            profile="iot",
            certificate_profile="cp-iot",
            tenant="acme",
            principal="Fleet",
        ),
    ]
    put(workshop, *rows)
    given, expected = CHOSEN[name]
    done = Bulk(workshop, RevocationCriteria(**given)).finish()
    records = workshop.records()
    page = records.search(CertificateFilter(status=WantedStatus.REVOKED), NOW_US)
    records.close()
    assert {each.id for each in page.rows} == {rows[n].id for n in expected}
    assert (done["revoked"], done["failed"]) == (len(expected), 0)


def test_what_is_named_and_not_there_or_not_of_est_is_told(workshop: Workshop):
    foreign = device(1, source=CertificateSource.API)
    put(workshop, device(0), foreign)
    criteria = RevocationCriteria(certificate_ids=(device(0).id, foreign.id, "absent"))
    bulk = Bulk(workshop, criteria)
    done = bulk.finish()
    assert done == {"matched": 1, "revoked": 1, "skipped": 0, "failed": 2}
    assert [error.split()[1] for error in bulk.bulk.totals.errors] == [foreign.id, "absent"]


def test_the_authority_holds_each_to_the_criteria_again(workshop: Workshop):
    """A worker that lies about what fits changes nothing."""
    foreign = device(1, source=CertificateSource.API)
    put(workshop, device(0, profile="iot"), foreign)
    for criteria in (FLEET, RevocationCriteria(certificate_ids=(foreign.id,))):
        lie = RevokeSlice(
            operation="op",
            criteria=criteria.unlisted(),
            certificate_ids=(foreign.id,) if criteria is not FLEET else (device(0).id, foreign.id),
            reason=LOST,
            actor="host:root",
        )
        result = workshop.service.execute(lie)
        assert isinstance(result, SliceRevoked)
        assert (result.revoked, set(result.failed)) == (0, set(lie.certificate_ids))
    assert told(workshop, AuditAction.CERTIFICATE_REVOKED) == []


def test_too_many_at_once_are_refused(workshop: Workshop):
    ids = tuple(map(str, range(SLICE + 1)))
    command = RevokeSlice(
        operation="op", criteria=FLEET, certificate_ids=ids, reason=LOST, actor="host:root"
    )
    assert isinstance(workshop.service.execute(command), Conflict)


def test_nothing_begins_without_criteria(workshop: Workshop):
    for empty in (
        RevocationCriteria(),
        RevocationCriteria(certificate_ids=()),
        RevocationCriteria(profile="demo", certificate_ids=()),
        RevocationCriteria(serials=()),
        RevocationCriteria(serials=("x'",)),
        RevocationCriteria(tenant=""),
        RevocationCriteria(certificate_ids=("a",) * 10_001),
    ):
        with pytest.raises(CriteriaRefused):
            empty.require()
        command = BeginBulkRevoke(operation="op", criteria=empty, reason=LOST, actor="host:root")
        assert isinstance(workshop.service.execute(command), Conflict)
    assert told(workshop, AuditAction.BULK_REVOKE) == []


def test_keys_of_bulk_compromise_are_noted(workshop: Workshop):
    put(workshop, device(0))
    Bulk(workshop).finish()
    with workshop.store.transaction() as transaction:
        (facts,) = transaction.key_facts([device(0).spki_sha256], NOW_US).values()
    assert facts.compromised
