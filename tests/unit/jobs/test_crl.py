"""The CRL job over a real store, a real CA and the authority that signs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from certctl.authority.commands import (
    Command,
    LeaseAnswer,
    Purged,
    PurgeExpired,
    PutCrlPart,
    SignCrl,
    TakeLease,
)
from certctl.authority.crl import LEASE_US
from certctl.authority.purge import JOB as PURGE
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import StoreUnavailable
from tests.contract.samples import certificate
from tests.unit.jobs.crl_node import HOUR_US, ISSUER, START_US, Answer, Node, retention


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.records.close()
    node.store.close()


def test_the_first_crl_is_made_at_once_and_the_next_in_its_time(node: Node):
    node.loop.tick()
    assert (node.number(), node.listed()) == (1, set())
    node.pass_time(30)
    assert node.number() == 1, "nothing has happened"
    node.jump(HOUR_US)
    assert node.number() == 2
    assert node.told == []


def test_a_revocation_is_on_a_crl_in_time_and_others_are_gathered(node: Node):
    node.issue(1, 2, 3)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(5)
    node.revoke(2, "keyCompromise")
    node.pass_time(3)
    assert node.number() == 1, "still gathering"
    node.pass_time(2)
    assert (node.number(), node.listed()) == (2, {1, 2})
    assert node.published[-1].scheduled_us == node.published[0].scheduled_us
    node.pass_time(60)
    assert node.number() == 2


def test_a_replaced_and_a_released_hold_make_a_new_one(node: Node):
    node.issue(1, 2)
    node.loop.tick()
    node.revoke(1, "certificateHold")
    node.revoke(2, "certificateHold")
    node.pass_time(12)
    node.revoke(2, "cessationOfOperation")
    with sqlite3.connect(node.database) as database:
        database.execute(
            "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
            " revocation_reason = NULL WHERE id = ?",
            (certificate(1).id,),
        )
    database.close()
    node.pass_time(12)
    (entry,) = node.crl()
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.cessation_of_operation
    assert node.number() == 3


def test_a_change_is_not_forgotten_by_a_restart(node: Node):
    node.issue(1)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(3)
    node.restart()
    node.pass_time(12)
    assert node.listed() == {1}


@pytest.mark.parametrize("dies_at", [PutCrlPart, SignCrl])
def test_killed_in_the_middle_no_number_has_two_contents(node: Node, dies_at: type):
    node.issue(1, 2)
    node.loop.tick()
    before = node.crl()
    node.revoke(1)
    node.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    assert node.crl() == before, "what is served is whole"

    node.dies_at = None
    node.revoke(2)
    node.restart()
    node.pass_time(LEASE_US // SECOND_US + 15)

    assert (node.number(), node.listed()) == (2, {1, 2})
    assert [crl.number for crl in node.published] == [1, 2]


def test_killed_right_after_signing_the_number_is_taken(node: Node):
    """The row is durable, but the job never heard of it."""
    node.issue(1)
    node.loop.tick()
    node.revoke(1)
    execute = node.execute

    def deaf(command: Command, answer: type[Answer]) -> Answer:
        result = execute(command, answer)
        if isinstance(command, SignCrl):
            raise KeyboardInterrupt
        return result

    node.execute = deaf  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    signed = node.records.crl(ISSUER)
    del node.execute
    node.restart()
    node.pass_time(LEASE_US // SECOND_US + 60)
    assert node.records.crl(ISSUER) == signed, "nothing has changed since"
    node.jump(HOUR_US)
    assert node.number() == 3


def test_no_clean_up_drops_a_revoked_certificate_before_its_time(node: Node):
    ends_us = START_US + 8 * HOUR_US + 600 * SECOND_US
    node.issue(1, not_after_us=ends_us)
    node.issue(2)
    node.loop.tick()
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    while node.now_us + HOUR_US < ends_us:
        node.jump(HOUR_US)
        lease = TakeLease(job=PURGE, holder="one/1", every_us=0, lease_us=1)
        fence = node.execute(lease, LeaseAnswer).fence
        assert fence is not None
        node.execute(PurgeExpired(fence=fence), Purged)
        assert node.listed() == {1}, node.now_us
    # It expires, and stands on one scheduled CRL after that: a hurried one does not count.
    node.now_us = ends_us + SECOND_US
    number = node.number()
    node.revoke(2)
    node.pass_time(12)
    assert node.number() == number + 1
    assert node.listed() == {1, 2}
    node.jump(HOUR_US)
    assert node.listed() == {1, 2}
    node.jump(HOUR_US)
    assert node.listed() == {2}


def test_a_list_of_many_parts_is_put_together_and_old_parts_go(node: Node):
    node.issue(1)
    with sqlite3.connect(node.database) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(certificates)")]
        changed = {
            "id": "printf('%032x', n)",
            "serial": "CAST(printf('A%019d', n) AS BLOB)",
            "status": "'revoked'",
            "revoked_us": str(START_US),
            "revocation_reason": "'superseded'",
        }
        values = ", ".join(changed.get(name, name) for name in columns)
        many = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT 50000)"
        database.execute(f"{many} INSERT INTO certificates SELECT {values} FROM certificates, many")  # noqa: S608
    database.close()
    node.loop.tick()
    assert len(node.crl()) == 50_000
    assert node.published[0].parts == 3
    for _ in range(3):
        node.jump(HOUR_US)
    with sqlite3.connect(node.database) as database:
        kept = database.execute("SELECT DISTINCT number FROM crl_parts ORDER BY 1").fetchall()
    database.close()
    assert kept == [(3,), (4,)]


def test_an_authority_that_is_away_costs_no_number(node: Node):
    execute = node.execute

    def away(command: Command, answer: type[Answer]) -> Answer:
        if isinstance(command, SignCrl):
            raise StoreUnavailable("authority")
        return execute(command, answer)

    node.execute = away  # type: ignore[method-assign]
    node.loop.tick()
    assert (node.number(), len(node.told)) == (0, 1)
    del node.execute
    node.pass_time(10)
    assert node.number() == 1


def test_a_revoked_one_leaves_the_records_after_it_has_left_the_crl(node: Node):
    """Never before: hour by hour, by a clock that is moved, with retention at every step."""
    ends_us = START_US + 3 * HOUR_US + 600 * SECOND_US
    node.issue(1, not_after_us=ends_us)
    node.issue(2)
    one, two = certificate(1).id, certificate(2).id
    node.loop.tick()
    node.revoke(1, "keyCompromise")
    node.revoke(2)
    node.pass_time(12)
    while node.now_us + HOUR_US < ends_us:
        node.jump(HOUR_US)
        assert retention(node) == {one, two}
    node.now_us = ends_us + SECOND_US
    assert retention(node) == {one, two}, "ended, and on no scheduled CRL since"
    node.jump(HOUR_US)
    assert node.listed() == {1, 2}, "the scheduled one after its end"
    assert retention(node) == {one, two}
    node.jump(HOUR_US)
    assert node.listed() == {2}
    assert retention(node) == {two}
    node.jump(200 * DAY_US)
    assert node.listed() == {2}, "it has ended, too, and stands on its last"
    assert retention(node) == {two}
    node.jump(HOUR_US)
    assert (node.listed(), retention(node)) == (set(), set())
