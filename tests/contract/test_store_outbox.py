"""The outbox of events and the marks of notices, through the ports of both stores."""

from __future__ import annotations

import pytest

from certctl.domain.certificates import CertificateSource, CertificateStatus
from certctl.domain.events import (
    Delivery,
    DeliveryStatus,
    EventType,
    NoticeMark,
    delivered,
    failed,
    given_up,
)
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate
from tests.harness.replacing import replace


def delivery(number: int, subject: str = "certificate/a", **changes: object) -> Delivery:
    made = Delivery(
        event_id=f"{number:032x}",
        channel="ops",
        type=EventType.CERT_ISSUED,
        subject=subject,
        body='{"ü": 1}',
        made_us=NOW + number,
        at_us=NOW,
    )
    return replace(made, **changes)


def add(pair: Pair, *deliveries: Delivery) -> None:
    with pair.store.transaction() as transaction:
        transaction.add_deliveries(deliveries)


def settle(pair: Pair, *deliveries: Delivery) -> None:
    with pair.store.transaction() as transaction:
        transaction.settle_deliveries(deliveries)


def due(pair: Pair, channel: str = "ops", *, after_us: int = 0) -> list[int]:
    found = pair.records.due_deliveries(channel, NOW + after_us, 10)
    return [int(each.event_id, 16) for each in found]


def test_all_fields_come_back(pair: Pair):
    wanted = delivery(1, attempts=3, error="status 500", at_us=NOW + 9)
    add(pair, wanted)
    assert pair.records.deliveries_of(wanted.event_id) == [wanted]
    assert pair.records.deliveries() == [wanted]


def test_of_a_subject_only_the_first_is_due(pair: Pair):
    add(pair, delivery(3), delivery(2), delivery(1), delivery(4, "certificate/b"))
    assert due(pair) == [1, 4]
    settle(pair, failed(delivery(1), "status 500", NOW, random=lambda: 0.0))
    assert due(pair) == [4], "a failure holds back what came later, of its subject alone"
    assert due(pair, after_us=10_000_000) == [4, 1]
    settle(pair, delivered(delivery(1), NOW))
    assert due(pair) == [2, 4]
    settle(pair, given_up(delivery(2), "no such channel", NOW))
    assert due(pair) == [3, 4]


def test_another_channel_holds_nothing_back(pair: Pair):
    add(pair, delivery(1, channel="siem"), delivery(2))
    assert due(pair) == [2]
    assert due(pair, "siem") == [1]


def test_nothing_is_due_before_its_time(pair: Pair):
    add(pair, delivery(1, at_us=NOW + 5))
    assert due(pair, after_us=4) == []
    assert due(pair, after_us=5) == [1]


def test_what_is_settled_stays_so(pair: Pair):
    add(pair, delivery(1))
    settle(pair, delivered(delivery(1), NOW + 1))
    settle(pair, failed(delivery(1), "late", NOW + 2, random=lambda: 0.0))
    (row,) = pair.records.deliveries()
    assert (row.status, row.at_us, row.error) == (DeliveryStatus.DELIVERED, NOW + 1, "")


def test_an_event_goes_to_a_channel_once(pair: Pair):
    add(pair, delivery(1), delivery(1, channel="siem"))
    with pytest.raises(DuplicateKey):
        add(pair, delivery(1))


def test_dead_ones_are_requeued_by_event_channel_or_all(pair: Pair):
    rows = [delivery(n, f"s/{n}", channel=channel) for n in (1, 2) for channel in ("ops", "siem")]
    add(pair, *rows, delivery(3, "s/3"))
    settle(pair, *(given_up(each, "status 410", NOW + 1) for each in rows))
    assert pair.records.outbox_depth() == {
        ("ops", DeliveryStatus.DEAD): 2,
        ("siem", DeliveryStatus.DEAD): 2,
        ("ops", DeliveryStatus.WAITING): 1,
    }

    def requeue(event: int | None, channel: str | None, most: int = 10) -> int:
        event_id = None if event is None else f"{event:032x}"
        with pair.store.transaction() as transaction:
            return transaction.requeue_deliveries(event_id, channel, NOW + 9, most)

    assert requeue(1, "siem") == 1
    (again,) = pair.records.due_deliveries("siem", NOW + 9, 10)
    assert (again.attempts, again.at_us, again.error) == (0, NOW + 9, "status 410")
    assert requeue(None, "ops", most=1) == 1
    assert requeue(None, None) == 2
    assert requeue(None, None) == 0
    assert requeue(3, None) == 0, "it is not dead"


def test_pages_go_on_behind_the_last_pair(pair: Pair):
    rows = [delivery(n, channel=channel) for n in (1, 2) for channel in ("ops", "siem")]
    add(pair, *rows)
    first = pair.records.deliveries(limit=3)
    assert list(first) == rows[:3]
    assert pair.records.deliveries(after=("0" * 31 + "2", "ops")) == rows[3:]
    assert pair.records.deliveries(status=DeliveryStatus.DEAD) == []


def test_only_what_was_delivered_is_purged_and_not_too_much(pair: Pair):
    rows = [delivery(n, f"s/{n}") for n in range(6)]
    add(pair, *rows)
    settle(pair, *(delivered(each, NOW + n) for n, each in enumerate(rows[:4])))
    settle(pair, given_up(rows[4], "status 410", NOW))
    with pair.store.transaction() as transaction:
        assert transaction.purge_delivered(NOW + 3, 2) == 2
        assert transaction.purge_delivered(NOW + 3, 2) == 1
        assert transaction.purge_delivered(NOW + 3, 2) == 0
    assert [int(each.event_id, 16) for each in pair.records.deliveries()] == [3, 4, 5]


def test_marks_are_kept_and_replaced(pair: Pair):
    mark = NoticeMark(name="cert/30", at_us=NOW, id="a")
    with pair.store.transaction() as transaction:
        assert transaction.notice_mark("cert/30") is None
        transaction.put_notice_mark(replace(mark, at_us=1))
        transaction.put_notice_mark(mark)
    with pair.store.transaction() as transaction:
        assert transaction.notice_mark("cert/30") == mark
    assert pair.records.notice_marks() == {"cert/30": mark}


def expiring(pair: Pair, at_us: int = 0, certificate_id: str = "", limit: int = 10) -> list[int]:
    after = NoticeMark(name="cert/1", at_us=at_us, id=certificate_id)
    found = pair.records.expiring_certificates(after, NOW + DAY, limit)
    return [int(each) for each, _ in found]


def test_what_expires_comes_in_order_of_its_end(pair: Pair):
    ends = {1: NOW + 5, 2: NOW + 4, 3: NOW + 4, 4: NOW + DAY, 5: NOW + DAY + 1}
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [certificate(n, not_after_us=end) for n, end in ends.items()]
        )
    assert expiring(pair) == [2, 3, 1, 4]
    assert expiring(pair, limit=2) == [2, 3]
    assert expiring(pair, NOW + 4, certificate(2).id) == [3, 1, 4]
    assert expiring(pair, NOW + 4, certificate(3).id) == [1, 4]


def test_what_is_revoked_renewed_or_our_own_does_not_expire(pair: Pair):
    later = NOW + 2 * DAY
    names = {"subject_der": certificate(3).subject_der, "san_der": certificate(3).san_der}
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [
                certificate(1, source=CertificateSource.INTERNAL),
                certificate(2),
                certificate(3),
                certificate(4),
                certificate(5),
                # The same names again, lasting longer; and a renewal under other names.
                certificate(13, not_after_us=later, **names),
                certificate(14, not_after_us=later, renews=certificate(4).id),
                # Neither another profile's nor a revoked one has renewed anything.
                certificate(15, not_after_us=later, renews=certificate(5).id),
            ]
        )
        transaction.revoke_certificates(
            [certificate(2).id, certificate(15).id], NOW, RevocationReason.SUPERSEDED
        )
    assert pair.records.certificate(certificate(2).id).status is CertificateStatus.REVOKED  # type: ignore[union-attr]
    assert expiring(pair) == [5]


def test_other_profiles_and_earlier_ends_renew_nothing(pair: Pair):
    names = {"subject_der": certificate(1).subject_der, "san_der": certificate(1).san_der}
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [
                certificate(1),
                certificate(2, profile="other", not_after_us=NOW + 2 * DAY, **names),
                certificate(3, not_after_us=NOW + DAY - 1, **names),
            ]
        )
    assert expiring(pair) == [1]
