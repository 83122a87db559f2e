"""Partitions of CRLs through the ports, in all stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certctl.domain.crl import CrlHead, crl_scope, unpack
from certctl.domain.crl_partitions import CrlPartition, in_use
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store.memory import status
from certctl.store.queries import crl_partitions
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate
from tests.contract.test_store_status import CRL, HOUR, ISSUER, revoke

BASE = "http://pki.example.com/.well-known/pki"
FIRST, SECOND = (CrlPartition(number=number, base=BASE) for number in (1, 2))


@pytest.fixture
def parted(pair: Pair) -> Pair:
    """Numbers 1 to 3 in partition 1, 4 and 5 in 2, 6 in none, 7 of another issuer in 1."""
    of = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: None, 7: 1}
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [
                certificate(
                    number, crl_partition=partition, issuer_id="other" if number == 7 else ISSUER
                )
                for number, partition in of.items()
            ]
        )
        for partition in (FIRST, SECOND):
            transaction.add_crl_partition(partition)
    return pair


def listed(pair: Pair, partition: int | None, since_us: int = 0) -> set[int]:
    blocks = pair.records.revoked(ISSUER, listed_us=since_us, partition=partition)
    return {serial[-1] for block in blocks for serial, _, _ in unpack(block)}


def test_a_certificate_keeps_its_partition(parted: Pair):
    kept = [parted.records.certificate(certificate(number).id) for number in (1, 5, 6)]
    assert [each.crl_partition for each in kept if each] == [1, 2, None]


def test_a_partition_lists_its_own_and_the_whole_lists_all(parted: Pair):
    for number in (1, 3, 4, 6, 7):
        revoke(parted, number, RevocationReason.SUPERSEDED)
    # As no certificate of ours is: a time that the database does not pack.
    revoke(parted, 5, RevocationReason.SUPERSEDED, 5)
    assert listed(parted, None) == {1, 3, 4, 5, 6}
    assert listed(parted, 1) == {1, 3}
    assert listed(parted, 2) == {4, 5}
    assert listed(parted, 9) == set()
    assert listed(parted, 1, NOW + 2 * DAY) == set()


def test_only_its_own_changes_change_the_stamp_of_a_partition(parted: Pair):
    def stamps() -> list[str]:
        kinds = (None, 1, 2)
        return [parted.records.revocation_stamp(ISSUER, partition=each) for each in kinds]

    first = stamps()
    revoke(parted, 7, RevocationReason.SUPERSEDED)
    assert stamps() == first, "of another issuer"
    revoke(parted, 6, RevocationReason.SUPERSEDED)
    whole, one, two = stamps()
    assert (one, two) == (first[1], first[2])
    assert whole != first[0]
    revoke(parted, 4, RevocationReason.CERTIFICATE_HOLD, NOW + 1)
    held = stamps()
    assert held[1] == one
    assert held[2] != two
    with parted.store.transaction() as transaction:
        transaction.release_certificates([certificate(4).id], NOW + 2)
    assert stamps()[1:] == [one, two]


def test_partitions_stay_on_record_and_change_how_long_they_go_on(parted: Pair):
    def again() -> None:
        with parted.store.transaction() as transaction:
            transaction.add_crl_partition(replace(FIRST, base="http://elsewhere"))

    with pytest.raises(DuplicateKey):
        again()
    ended = replace(SECOND, until_us=NOW, ended_us=NOW + 1)
    with parted.store.transaction() as transaction:
        transaction.change_crl_partition(replace(ended, base="http://elsewhere"))
        assert list(transaction.crl_partitions()) == [FIRST, ended]
    assert list(parted.records.crl_partitions()) == [FIRST, ended]


def test_how_long_partitions_are_needed(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    def ends() -> tuple[int, dict[int, int]]:
        with pair.store.transaction() as transaction:
            return transaction.last_expiry_us(), dict(transaction.lately_filled())

    assert ends() == (0, {})
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [
                certificate(1, crl_partition=1, not_after_us=NOW + 9 * DAY),
                certificate(2, crl_partition=1, not_after_us=NOW + 2 * DAY),
                certificate(3, crl_partition=2, not_after_us=NOW + DAY),
                certificate(4, not_after_us=NOW + 3 * DAY),
            ]
        )
    assert ends() == (NOW + 9 * DAY, {1: NOW + 9 * DAY, 2: NOW + DAY})
    for module in (crl_partitions, status):
        monkeypatch.setattr(module, "NEWEST", 3)
    assert ends() == (NOW + 9 * DAY, {1: NOW + 2 * DAY, 2: NOW + DAY}), "of the newest alone"


def test_the_newest_of_every_scope_in_one_answer(pair: Pair):
    assert pair.records.crl_heads() == {}
    scope = crl_scope(ISSUER, partition=1)
    with pair.store.transaction() as transaction:
        transaction.publish_crl(CRL)
        transaction.publish_crl(replace(CRL, scope=scope, number=2, listed_us=3))
        transaction.publish_crl(replace(CRL, scope=f"{ISSUER}/11", number=2, listed_us=1))
        transaction.publish_crl(replace(CRL, scope="other/1", number=2, listed_us=4))
        assert transaction.partition_listed_us(1) == 3
        assert transaction.partition_listed_us(2) is None
    head = CrlHead(
        number=7, digest=CRL.digest, this_update_us=NOW, next_update_us=NOW + DAY, size=20
    )
    heads = pair.records.crl_heads()
    assert heads[ISSUER] == head
    assert heads[scope] == replace(head, number=2)


def test_a_revoked_one_goes_when_neither_of_its_crls_lists_it_any_more(pair: Pair):
    row = certificate(1, not_after_us=NOW - 2 * HOUR, issued_us=NOW - DAY, crl_partition=1)
    number = 0

    def goes(full_us: int | None, own_us: int | None, partition: CrlPartition) -> bool:
        nonlocal number
        number += 1
        with pair.store.transaction() as transaction:
            for scope, listed_us in ((ISSUER, full_us), (f"{ISSUER}/1", own_us)):
                if listed_us is not None:
                    crl = replace(CRL, scope=scope, number=number, listed_us=listed_us)
                    transaction.publish_crl(crl)
            transaction.change_crl_partition(partition)
        found = list(pair.records.expired_certificates(NOW))
        assert found in ([], [row.id])
        return bool(found)

    with pair.store.transaction() as transaction:
        transaction.record_certificates([row])
        transaction.revoke_certificates([row.id], NOW - 3 * HOUR, RevocationReason.SUPERSEDED)
        transaction.add_crl_partition(FIRST)
    assert not goes(NOW, None, FIRST), "its partition has no CRL yet"
    assert not goes(NOW, NOW - 2 * HOUR, FIRST)
    assert not goes(NOW - 2 * HOUR, NOW, FIRST)
    with pair.store.transaction() as transaction:
        assert transaction.drop_certificates([row.id], NOW) == 0
    assert goes(NOW, NOW - 2 * HOUR, replace(FIRST, until_us=NOW, ended_us=NOW))
    assert goes(NOW, NOW, FIRST)
    with pair.store.transaction() as transaction:
        assert transaction.drop_certificates([row.id], NOW) == 1


def test_which_partitions_are_in_use():
    def numbers(rows: list[CrlPartition], base: str, wanted: int) -> list[int]:
        return [each.number for each in in_use(rows, base, wanted)]

    assert numbers([], BASE, 3) == [1, 2, 3]
    assert numbers([SECOND, FIRST], BASE, 4) == [1, 2, 3, 4]
    ended = replace(FIRST, until_us=1, ended_us=2)
    assert in_use([ended, SECOND], BASE, 1) == (FIRST,), "it goes on where it was"
    assert numbers([FIRST, SECOND], "http://elsewhere", 2) == [3, 4]
    assert numbers([FIRST, SECOND], BASE, 0) == []
