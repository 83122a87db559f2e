"""Leases, checkpoints and purging through the ports, in both stores."""

from __future__ import annotations

import pytest

from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.lease import Lease
from certctl.domain.ports import DuplicateKey
from tests.contract.conftest import Pair
from tests.contract.samples import NOW, certificate, event
from tests.harness.replacing import replace

CHECKPOINT = Checkpoint(
    number=1,
    made_us=NOW,
    previous=bytes(32),
    heads=(ChainHead(node="a", seq=3, digest=b"d" * 32),),
    key_id="0123456789abcdef",
    signature=b"s" * 64,
)


def test_a_lease_is_kept_and_replaced(pair: Pair):
    lease = Lease(job="crl", holder="one/1", fence=3, until_us=NOW, last_run_us=5, outcome="ok")
    with pair.store.transaction() as transaction:
        assert transaction.lease("crl") is None
        transaction.put_lease(Lease(job="crl"))
        transaction.put_lease(lease)
        transaction.put_lease(Lease(job="audit"))
    with pair.store.transaction() as transaction:
        assert transaction.lease("crl") == lease
    assert pair.records.leases() == [Lease(job="audit"), lease]


def test_checkpoints_come_back_in_order(pair: Pair):
    second = replace(CHECKPOINT, number=2, heads=())
    with pair.store.transaction() as transaction:
        assert transaction.last_checkpoint() is None
        transaction.append_checkpoint(CHECKPOINT)
        transaction.append_checkpoint(second)
        assert transaction.last_checkpoint() == second
    assert pair.records.checkpoints() == [CHECKPOINT, second]
    assert pair.records.checkpoints(after=1) == [second]
    assert pair.records.checkpoints(limit=1) == [CHECKPOINT]


def test_a_number_is_given_once(pair: Pair):
    def doubled() -> None:
        with pair.store.transaction() as transaction:
            transaction.append_checkpoint(CHECKPOINT)
            transaction.append_checkpoint(CHECKPOINT)

    with pytest.raises(DuplicateKey):
        doubled()
    assert pair.records.checkpoints() == []


def test_heads_are_the_last_events_of_each_node(pair: Pair):
    with pair.store.transaction() as transaction:
        assert transaction.chain_heads() == []
        transaction.append_events([event(1, node="b"), event(2, node="b"), event(1, node="a")])
        heads = transaction.chain_heads()
    assert [(head.node, head.seq, head.digest) for head in heads] == [
        ("a", 1, event(1, node="a").digest),
        ("b", 2, event(2, node="b").digest),
    ]
    assert pair.records.chain_heads() == heads


def test_only_expired_repetitions_are_purged_and_not_too_many(pair: Pair):
    record = certificate(1)
    keys = [bytes([n]) * 32 for n in range(6)]
    with pair.store.transaction() as transaction:
        transaction.record_certificates([record])
        transaction.record_repetitions(
            [(key, record.id, NOW + n) for n, key in enumerate(keys)], NOW - 1
        )
    with pair.store.transaction() as transaction:
        assert transaction.purge_expired(NOW + 3, 3) == 3
        assert transaction.purge_expired(NOW + 3, 3) == 1
        assert transaction.purge_expired(NOW + 3, 3) == 0
        left = transaction.repeated_certificates(keys, NOW)
    assert set(left) == set(keys[4:])
