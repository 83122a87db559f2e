"""Dropping through the ports, in both stores."""

from __future__ import annotations

import pytest

from certctl.domain.approval import RequestStatus
from certctl.domain.certificates import CertificateStatus
from certctl.domain.inventory import CertificateFilter
from certctl.domain.retention import AuditStub
from certctl.domain.revocation import RevocationReason
from certctl.store import CommandRefused, MemoryStore
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, event
from tests.contract.test_store_approval import waiting
from tests.contract.test_store_status import CRL, HOUR
from tests.harness.replacing import replace


def stub(first: int, last: int, *, node: str = "one") -> AuditStub:
    return AuditStub(
        node=node,
        first_seq=first,
        last_seq=last,
        digest=event(last, node=node).digest,
        checkpoint=7,
        dropped_us=NOW,
        key_id="0123456789abcdef",
        signature=b"s" * 64,
    )


def test_a_stub_stands_where_its_events_were(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.append_events([event(seq) for seq in range(1, 8)])
        transaction.append_events([event(seq, node="two") for seq in (1, 2)])
        assert transaction.last_stub("one") is None
        transaction.drop_segment(stub(1, 3))
        transaction.drop_segment(stub(4, 5))
        assert transaction.last_stub("one") == stub(4, 5)
        assert list(transaction.events_between("one", 1, 6)) == [event(6)]
    assert list(pair.records.stubs()) == [stub(1, 3), stub(4, 5)]
    assert pair.records.last_stub("one") == stub(4, 5)
    assert pair.records.last_stub("two") is None
    left = [(each.node, each.seq) for each in pair.records.events()]
    assert left == [("one", 6), ("one", 7), ("two", 1), ("two", 2)]


@pytest.mark.parametrize("bad", [stub(2, 3), stub(1, 9), replace(stub(1, 3), digest=b"x" * 32)])
def test_a_stub_that_does_not_fit_is_refused(pair: Pair, bad: AuditStub):
    def drop() -> None:
        with pair.store.transaction() as transaction:
            transaction.append_events([event(seq) for seq in range(1, 8)])
            transaction.drop_segment(bad)

    with pytest.raises(CommandRefused):
        drop()
    assert list(pair.records.stubs()) == []


def test_a_revoked_one_goes_when_the_newest_crl_lists_it_no_more(pair: Pair):
    rows = [
        certificate(1, not_after_us=NOW - 2 * HOUR, issued_us=NOW - DAY),
        certificate(2, not_after_us=NOW - 2 * HOUR, issued_us=NOW - DAY),
        certificate(3, not_after_us=NOW - 2 * HOUR, issued_us=NOW - DAY, issuer_id="other"),
        certificate(4, not_after_us=NOW + DAY, issued_us=NOW - DAY),
    ]

    def listing_since(listed_us: int, number: int) -> list[str]:
        crl = replace(CRL, number=number, this_update_us=NOW, listed_us=listed_us)
        with pair.store.transaction() as transaction:
            transaction.publish_crl(crl)
        return list(pair.records.expired_certificates(NOW + 2 * DAY))

    with pair.store.transaction() as transaction:
        transaction.record_certificates(rows)
        for row in (rows[0], rows[2], rows[3]):
            transaction.revoke_certificates([row.id], NOW - 3 * HOUR, RevocationReason.SUPERSEDED)
        # When it had ended already.
        transaction.revoke_certificates([rows[1].id], NOW - HOUR, RevocationReason.SUPERSEDED)
    assert list(pair.records.expired_certificates(NOW)) == [], "there is no CRL"
    assert listing_since(NOW - 2 * HOUR, 1) == []
    assert listing_since(NOW - 2 * HOUR + 1, 2) == [rows[0].id]
    assert listing_since(NOW, 3) == [rows[0].id, rows[1].id]
    with pair.store.transaction() as transaction:
        ids = [row.id for row in rows]
        assert transaction.drop_certificates(ids, NOW) == 2
    assert [row.id for row in pair.records.certificates()] == [rows[2].id, rows[3].id]


def test_only_what_expired_goes_and_what_was_revoked_stays(pair: Pair):
    rows = [
        certificate(1, not_after_us=NOW - 2, issued_us=NOW - 9),
        certificate(2, not_after_us=NOW - 1, issued_us=NOW - 9),
        certificate(3, not_after_us=NOW - 2, issued_us=NOW - 9, status=CertificateStatus.REVOKED),
        certificate(4, not_after_us=NOW - 2, issued_us=NOW - 9),
    ]
    with pair.store.transaction() as transaction:
        transaction.record_certificates(rows)
        transaction.record_repetitions([(bytes(32), rows[0].id, NOW + 1)], NOW)
        for number, row in enumerate(rows[:2], 1):
            transaction.revoke_certificates([row.id], NOW, RevocationReason.CERTIFICATE_HOLD)
            transaction.release_certificates([row.id], NOW)
            transaction.record_requests([waiting(number)])
            transaction.settle_request(
                waiting(number).id, RequestStatus.ISSUED, certificate_id=row.id
            )
    wanted = CertificateFilter(profile="demo")
    assert len(pair.records.search(wanted, NOW).rows) == 4
    assert list(pair.records.expired_certificates(NOW - 1)) == [rows[0].id, rows[3].id]
    assert list(pair.records.expired_certificates(NOW - 1, limit=1)) == [rows[0].id]
    assert list(pair.records.expired_certificates(NOW - 1, after=rows[0].id)) == [rows[3].id]
    with pair.store.transaction() as transaction:
        ids = [each.id for each in rows[:3]]
        assert transaction.drop_certificates([*ids, "unknown"], NOW - 1) == 1
        assert transaction.repeated_certificates([bytes(32)], 0) == {}
    assert [each.id for each in pair.records.certificates()] == [each.id for each in rows[1:]]
    assert pair.records.with_serial(rows[0].serial) == []
    # Nor what named it; of the others everything is still there.
    assert [each.id for each in pair.records.search(wanted, NOW).rows] == [
        each.id for each in reversed(rows[1:])
    ]
    assert [pair.records.released_us(each.id) for each in rows[:2]] == [None, NOW]
    assert [each.id for each in pair.records.requests()] == [waiting(2).id]


def test_no_name_outlives_its_certificate(pair: Pair):
    if isinstance(pair.records, MemoryStore):
        return  # It holds no names beside the certificates.
    row = certificate(1, not_after_us=NOW - 2, issued_us=NOW - 9)
    with pair.store.transaction() as transaction:
        transaction.record_certificates([row, certificate(2)])
        assert transaction.drop_certificates([row.id], NOW - 1) == 1
    named = pair.records.name_rows(after=(b"", ""), limit=100)
    assert {each.certificate_id for each in named} == {certificate(2).id}
