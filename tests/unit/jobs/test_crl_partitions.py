"""Partitions of the CRL: what their lists hold, when they are made, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certctl.authority.commands import PutCrlPart, SignCrl
from certctl.domain.clock import SECOND_US
from certctl.domain.crl import crl_scope
from tests.contract.samples import certificate
from tests.harness.published import point_of
from tests.unit.jobs.crl_node import HOUR_US, ISSUER, retention
from tests.unit.jobs.parted_node import BASE, DELTA, URLS, PartedNode, scope


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PartedNode]:
    node = PartedNode(tmp_path)
    yield node
    node.records.close()
    node.store.close()
    assert node.told == []


def test_together_they_list_what_the_full_crl_lists_of_theirs(node: PartedNode):
    node.issue(*range(1, 10), 100, 101)
    node.loop.tick()
    assert (node.listed(), node.lists()) == (set(), [set(), set(), set()])
    for number in (1, 3, 4, 6, 9, 100):
        node.revoke(number)
    node.pass_time(12)
    assert node.lists() == [{1, 4}, set(), {3, 6, 9}]
    assert node.listed() == {1, 3, 4, 6, 9, 100}
    assert set.union(*node.lists()) == {each for each in node.listed() if each < 100}


def test_each_says_where_it_is_and_the_full_crl_says_nothing(node: PartedNode):
    node.loop.tick()
    for number, url in URLS.items():
        point = node.crl(scope(number)).extensions.get_extension_for_class(
            x509.IssuingDistributionPoint
        )
        assert point.critical
        assert point.value == point_of(url)
    with pytest.raises(x509.ExtensionNotFound):
        node.crl().extensions.get_extension_for_class(x509.IssuingDistributionPoint)


def test_a_revocation_makes_its_partition_and_the_full_crl_anew(node: PartedNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [1, 1, 1]
    node.revoke(2, "certificateHold")
    node.pass_time(12)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [1, 2, 1]
    assert node.number() == 2
    node.jump(HOUR_US)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [2, 3, 2], "all in their time"
    node.revoke(2, "keyCompromise")
    node.pass_time(12)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [2, 4, 2]
    (entry,) = node.crl(scope(2))
    assert next(iter(entry.extensions)).value == x509.CRLReason(x509.ReasonFlags.key_compromise)


def test_a_kill_between_two_lists_forgets_no_revocation(node: PartedNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    for number in (1, 2, 3):
        node.revoke(number)
    execute = node.execute

    def dies(command: Any, answer: type[Any]) -> Any:
        if isinstance(command, PutCrlPart) and command.partition == 3:
            raise KeyboardInterrupt
        return execute(command, answer)

    node.execute = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    assert node.lists() == [{1}, {2}, set()]
    del node.execute
    node.restart()
    node.pass_time(60)
    assert node.lists() == [{1}, {2}, {3}]
    assert node.listed() == {1, 2, 3}


def test_a_revocation_while_lists_are_made_is_not_forgotten(node: PartedNode):
    """Its partition has been made, the full CRL has not."""
    node.issue(1, 2, 3)
    node.loop.tick()
    node.revoke(3)
    execute = node.execute

    def meanwhile(command: Any, answer: type[Any]) -> Any:
        result = execute(command, answer)
        if isinstance(command, SignCrl) and command.partition == 3:
            node.revoke(1)
        return result

    node.execute = meanwhile  # type: ignore[method-assign]
    node.pass_time(12)
    del node.execute
    assert node.listed() == {1, 3}
    assert node.lists() == [set(), set(), {3}]
    node.pass_time(12)
    assert node.lists() == [{1}, set(), {3}]


def test_an_expired_one_leaves_after_one_more_scheduled_list_of_its_own(node: PartedNode):
    node.issue(1, not_after_us=node.now_us + HOUR_US)
    node.issue(2)
    node.loop.tick()
    node.revoke(1)
    node.jump(HOUR_US + 5 * SECOND_US)
    assert node.listed(scope(1)) == {1}
    assert certificate(1).id in retention(node)
    node.jump(HOUR_US)
    assert node.listed(scope(1)) == set()
    assert retention(node) == {certificate(2).id}


def test_with_delta_crls_partitions_still_follow_each_revocation(tmp_path: Path):
    class Both(PartedNode):
        delta = DELTA

    node = Both(tmp_path)
    node.issue(1, 2, 3)
    node.loop.tick()
    full = node.number()
    node.revoke(1)
    node.pass_time(12)
    assert (node.listed(), node.lists()) == (set(), [{1}, set(), set()])
    assert node.number() == full, "the full one waits for its time"
    assert node.listed(crl_scope(ISSUER, delta=True)) == {1}
    assert [each.oid.dotted_string for each in node.crl(scope(1)).extensions] == [
        *("2.5.29.35", "2.5.29.20", "2.5.29.28"),
    ]
    node.records.close()
    node.store.close()
    assert node.told == []


def test_more_partitions_later_and_fewer_and_none(node: PartedNode):
    assert node.settle(5) == [1, 2, 3, 4, 5]
    assert node.event is not None
    assert node.event.details == {"what": "partitions of CRLs", "added": ["4", "5"]}
    node.loop.tick()
    assert node.number(scope(5)) == 1
    assert node.settle(6)[-1] == 6
    node.pass_time(1)
    assert node.number(scope(6)) == 2, "a restore to before cannot lead to the same again"
    node.issue(1, 2, 3)
    node.revoke(3)
    node.pass_time(12)
    assert node.settle(2) == [1, 2]
    assert node.event is not None
    assert node.event.details["left"] == ["3", "4", "5", "6"]
    assert node.settle(2) == [1, 2]
    assert node.event is None, "nothing has changed"
    assert node.settle(0) == []
    node.jump(HOUR_US)
    assert node.lists() == [set(), set(), {3}], "what is on record is published"
    assert node.settle(3) == [1, 2, 3]
    assert node.event is not None
    assert node.event.details["resumed"] == ["1", "2", "3"]


def test_at_another_place_there_are_other_partitions(node: PartedNode):
    """Certificates name the old place for good, and so do the CRLs of their partitions."""
    other = "http://other.example.org/.well-known/pki"
    assert node.settle(2, other) == [4, 5]
    node.loop.tick()
    for number, base in ((1, BASE), (4, other)):
        found = node.crl(scope(number)).extensions.get_extension_for_class(
            x509.IssuingDistributionPoint
        )
        url = f"{base}/crls/{ISSUER}/{number}.crl"
        assert found.value.full_name == [x509.UniformResourceIdentifier(url)]
    assert node.settle(3) == [1, 2, 3]


def test_a_partition_ends_when_all_of_it_has_expired_and_left_its_list(node: PartedNode):
    def published() -> list[int]:
        return [each.number for each in node.records.crl_partitions() if each.is_published]

    node.issue(1, 2, 3, not_after_us=node.now_us + 2 * HOUR_US)
    node.loop.tick()
    node.revoke(1)
    node.settle(0)
    node.jump(2 * HOUR_US + 5 * SECOND_US)
    node.settle(0)
    assert published() == [1, 2, 3], "expired, and still listed"
    node.jump(HOUR_US)
    node.jump(HOUR_US)
    assert node.listed(scope(1)) == set()
    node.settle(0)
    assert node.event is not None
    assert node.event.details == {"what": "partitions of CRLs", "ended": ["1", "2", "3"]}
    assert published() == []
    assert node.settle(2) == [1, 2]
    assert published() == [1, 2]
    node.loop.tick()
    assert node.number(scope(1)) > 1, "no number is given twice"


def test_one_that_another_node_goes_on_with_does_not_end(node: PartedNode):
    node.loop.tick()
    node.settle(0)
    node.issue(1, not_after_us=node.now_us + 9 * HOUR_US)
    node.jump(HOUR_US)
    node.jump(HOUR_US)
    node.settle(0)
    found = {each.number: each for each in node.records.crl_partitions()}
    assert found[1].is_published
    assert not found[2].is_published
    node.settle(0)
    assert {each.number: each for each in node.records.crl_partitions()}[1].is_published
