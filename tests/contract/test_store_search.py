"""What people look for: every filter really filters, pages join, totals fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus
from certctl.domain.audit import AuditAction, Outcome, RecordedEvent
from certctl.domain.certificates import CertificateSource, CertificateStatus
from certctl.domain.clock import HOUR_US
from certctl.domain.ids import oldest_id
from certctl.domain.ports import Records
from certctl.domain.search import Activity, AuditQuery, Page
from certctl.store.memory import search as memory
from certctl.store.queries import search as queries
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, event
from tests.contract.test_store_approval import waiting

SECOND = 1_000_000


def told(seq: int, **changes: Any) -> RecordedEvent:
    """An event a second after the one before, with an id of its time."""
    made = event(seq, time_us=NOW + seq * SECOND, **changes)
    return RecordedEvent(
        id=oldest_id(NOW + seq * SECOND),
        node=made.node,
        seq=seq,
        event=made.event,
        previous_digest=made.previous_digest,
        digest=made.digest,
    )


EVENTS = (
    told(1),
    told(2, actor="key:alice", action=AuditAction.CERTIFICATE_REVOKED, tenant=None, count=1),
    told(3, outcome=Outcome.FAILURE, action=AuditAction.CSR_POLICY_VIOLATION, profile="iot"),
    told(4, source_address="192.0.2.7", details={"reason": "100%_sure", "path": "C:\\x"}),
    told(5, action=AuditAction.SIMPLE_REENROLL_SUCCESS, profile="", tenant="south"),
    told(6, resource_id="Needle-6", client_certificate_subject="CN=Straße", tenant="south"),
)


@pytest.fixture
def records(pair: Pair) -> Records:
    with pair.store.transaction() as transaction:
        transaction.append_events(EVENTS)
    return pair.records


FILTERS: list[tuple[AuditQuery, list[int]]] = [
    (AuditQuery(), [6, 5, 4, 3, 2, 1]),
    (AuditQuery(action="est_simple"), [6, 5, 4, 1]),
    (AuditQuery(action="est_simple_enroll_success"), [6, 4, 1]),
    (AuditQuery(action="EST_"), []),
    (AuditQuery(action="est%"), []),
    (AuditQuery(actor="key:alice"), [2]),
    (AuditQuery(actor="key:"), []),
    (AuditQuery(profile="iot"), [3]),
    (AuditQuery(profile=""), [5]),
    (AuditQuery(outcome=Outcome.FAILURE), [3]),
    (AuditQuery(source="192.0.2.7"), [4]),
    (AuditQuery(since_us=NOW + 5 * SECOND), [6, 5]),
    (AuditQuery(until_us=NOW + 2 * SECOND), [1]),
    (AuditQuery(since_us=NOW + 2 * SECOND, until_us=NOW + 4 * SECOND), [3, 2]),
    (AuditQuery(text="NEEDLE"), [6]),
    (AuditQuery(text="straße"), [6]),
    (AuditQuery(text="STRAßE"), [6]),
    (AuditQuery(text="device-3"), [3]),
    (AuditQuery(text="100%_S"), [4]),
    (AuditQuery(text="%"), [4]),
    (AuditQuery(text="_"), [4]),
    (AuditQuery(text="' OR 1=1 --"), []),
    (AuditQuery(actor="' OR '1'='1"), []),
    (AuditQuery(visible=Visible(tenant="south")), [6, 5]),
    (AuditQuery(visible=Visible(profiles=("iot", ""))), [5, 3]),
    (AuditQuery(action="est_", text="reason", visible=Visible(tenant="acme")), [4, 3, 1]),
]


def test_each_filter_finds_what_it_says_and_nothing_else(records: Records):
    for query, wanted in FILTERS:
        assert [each.seq for each in records.audit_page(query, Page()).rows] == wanted, query
        assert records.audit_total(query) == len(wanted), query


def test_pages_join_by_key_and_by_number(records: Records):
    query = AuditQuery(action="est_")
    whole = [each.seq for each in records.audit_page(query, Page()).rows]
    by_key: list[int] = []
    after = None
    while page := records.audit_page(query, Page(after=after, limit=2)).rows:
        by_key += [each.seq for each in page]
        after = page[-1].id
    by_number = [
        each.seq
        for skip in range(0, 6, 2)
        for each in records.audit_page(query, Page(skip=skip, limit=2)).rows
    ]
    assert by_key == by_number == whole == [6, 5, 4, 3, 1]
    assert records.audit_total(query, most=3) == 3


def test_a_filter_is_held_against_a_bounded_number_of_events(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    for module in (queries, memory):
        monkeypatch.setattr(module, "MOST_LOOKED_AT", 2)
    query = AuditQuery(actor="key:alice")
    pages: list[list[int]] = []
    after: str | None = None
    rest: str | None = ""
    while rest is not None:
        page = records.audit_page(query, Page(after=after))
        pages.append([each.seq for each in page.rows])
        after = rest = page.rest
    assert pages == [[], [], [2], []]
    assert records.audit_total(query) is None
    # Without a filter there is nothing to hold against, and times narrow what is looked at.
    everything = records.audit_page(AuditQuery(), Page())
    assert (len(everything.rows), everything.rest) == (6, None)
    assert records.audit_total(AuditQuery()) == 6
    late = AuditQuery(since_us=NOW + 2 * DAY)
    assert records.audit_page(late, Page()).rest is None
    early = AuditQuery(until_us=NOW - DAY, actor="key:alice")
    assert records.audit_page(early, Page()).rest is None


def test_an_event_is_read_by_id_by_whom_it_concerns(records: Records):
    assert records.audit_event(EVENTS[4].id, Visible()) == EVENTS[4]
    assert records.audit_event(EVENTS[4].id, Visible(tenant="south")) == EVENTS[4]
    assert records.audit_event(EVENTS[4].id, Visible(tenant="acme")) is None
    assert records.audit_event(EVENTS[4].id, Visible(profiles=("iot",))) is None
    assert records.audit_event("ff" * 16, Visible()) is None


def test_activity_counts_folded_refusals_in_full(records: Records):
    assert records.activity(NOW, Visible()) == Activity(enrolled=9, renewed=3, refused=3)
    late = records.activity(NOW + 5 * SECOND, Visible(tenant="south"))
    assert late == Activity(enrolled=3, renewed=3, refused=0)


def test_activity_by_hour_falls_into_the_hours_it_was_in(records: Records):
    since_us = NOW + 3 * SECOND - HOUR_US
    by_hour = records.activity_by_hour(since_us, Visible())
    assert by_hour == {
        0: Activity(
            enrolled=9 - by_hour[1].enrolled,
            renewed=3 - by_hour[1].renewed,
            refused=3 - by_hour[1].refused,
        ),
        1: records.activity(NOW + 3 * SECOND, Visible()),
    }
    assert by_hour[0] != Activity(enrolled=0, renewed=0, refused=0)
    assert records.activity_by_hour(NOW + 9 * SECOND, Visible()) == {}
    south = records.activity_by_hour(NOW, Visible(tenant="south"))
    assert south == {0: records.activity(NOW, Visible(tenant="south"))}


def test_the_total_of_certificates(pair: Pair):
    rows = [
        certificate(1, tenant="north"),
        certificate(2, tenant="south", profile="iot"),
        certificate(3),
    ]
    with pair.store.transaction() as transaction:
        transaction.record_certificates(rows)
    assert pair.records.certificate_total(Visible()) == 3
    assert pair.records.certificate_total(Visible(tenant="south")) == 1
    assert pair.records.certificate_total(Visible(profiles=("demo",))) == 2
    assert pair.records.certificate_total(Visible(), most=2) == 2


def test_requests_by_status_and_whom_they_concern(pair: Pair):
    rows = [waiting(1, tenant="north"), waiting(2, tenant="south"), waiting(3, tenant=None)]
    with pair.store.transaction() as transaction:
        transaction.record_requests(rows)
        transaction.settle_request(rows[2].id, RequestStatus.DENIED)
    status = RequestStatus.WAITING
    found = pair.records.request_page(status, Visible(), Page())
    assert [each.id for each in found] == [rows[0].id, rows[1].id]
    found = pair.records.request_page(None, Visible(tenant="south"), Page())
    assert [each.id for each in found] == [rows[1].id]
    assert pair.records.request_total(status, Visible()) == 2
    assert pair.records.request_total(None, Visible()) == 3


def test_expiries_and_what_should_have_been_renewed(pair: Pair):
    rows = [
        certificate(1, not_before_us=NOW - 9 * DAY, not_after_us=NOW + DAY - 1),
        certificate(2, not_before_us=NOW - 9 * DAY, not_after_us=NOW + DAY, renews="none"),
        certificate(3, not_after_us=NOW + 40 * DAY),
        certificate(4, not_after_us=NOW + 4_000 * DAY, renews=certificate(2).id),
        certificate(5, not_after_us=NOW),
        certificate(6, status=CertificateStatus.REVOKED, not_after_us=NOW + DAY),
        certificate(
            7,
            source=CertificateSource.INTERNAL,
            not_before_us=NOW - 9 * DAY,
            not_after_us=NOW + DAY,
        ),
    ]
    with pair.store.transaction() as transaction:
        transaction.record_certificates(rows)
    found = pair.records.expiries(NOW, Visible())
    assert found is not None
    assert found.counted_us == NOW
    assert dict(found.by_days) == {1: 1, 7: 2, 30: 0, 90: 1, 365: 0, None: 1}
    assert found.past_renewal == 1
    nobodys = pair.records.expiries(NOW, Visible(tenant="nobody"))
    assert nobodys is not None
    assert nobodys.past_renewal == 0


def test_details_are_searched_as_they_are_written(records: Records):
    """Quotes and backslashes stand escaped in JSON, and so they are looked for."""
    written = json.dumps("C:\\x")[1:-1]
    query = AuditQuery(text=written)
    assert [each.seq for each in records.audit_page(query, Page()).rows] == [4]
