"""What the authority takes from the jobs process as a CRL, and what not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certctl.authority.commands import LeaseAnswer, TakeLease
from certctl.authority.crl import LEASE_US, job_name
from certctl.domain.clock import DAY_US
from certctl.domain.crl import PART_OCTETS
from certctl.domain.errors import CrlRefused, Failure, LeaseLost
from certctl.wire.crl import CrlFields, encode_tbs
from tests.unit.jobs.crl_node import ISSUER, Node, put, sign, taken, tbs_of


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.records.close()
    node.store.close()


def test_who_lost_the_lease_writes_nothing(node: Node):
    node.loop.tick()
    old = taken(node)
    node.now_us += LEASE_US + 1
    new = taken(node)
    for attempt in (
        lambda: put(node, b"x", fence=old, number=2),
        lambda: sign(node, fence=old, number=2),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert new == old + 1
    assert node.number() == 1


def test_pieces_that_come_slowly_keep_the_lease(node: Node):
    node.loop.tick()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    end = tbs.index(b"\xa0")
    node.now_us += LEASE_US - 1
    put(node, tbs[:end], fence=fence, number=2)
    node.now_us += LEASE_US - 1
    other = TakeLease(job=job_name(ISSUER), holder="three/3", every_us=0, lease_us=LEASE_US)
    assert node.execute(other, LeaseAnswer).fence is None
    put(node, tbs[end:], fence=fence, number=2, part=1)
    sign(node, fence=fence, number=2, parts=2)
    assert node.number() == 2


def test_nothing_is_written_over_a_published_crl(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    with pytest.raises(CrlRefused, match="number"):
        put(node, tbs_of(node, node.ca, number=1), fence=fence, number=1)
    assert node.crl() == before


@pytest.mark.parametrize(
    ("reason", "said", "inside", "ours", "age_us"),
    [
        ("number", 1, 1, "ours", 0),
        ("number", 2, 3, "ours", 0),
        ("number", 2, 1, "ours", 0),
        ("issuer", 2, 2, "another's", 0),
        ("dates", 2, 2, "ours", DAY_US),
    ],
)
def test_the_authority_signs_only_the_next_crl_of_the_issuer(
    node: Node, reason: str, said: int, inside: int, ours: str, age_us: int
):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    ca = node.ca if ours == "ours" else node.stranger

    def attempt() -> None:
        tbs = tbs_of(node, ca, number=inside, now_us=node.now_us - age_us)
        put(node, tbs, fence=fence, number=said)
        sign(node, fence=fence, number=said)

    with pytest.raises(CrlRefused) as refused:
        attempt()
    assert refused.value.reason == reason
    assert node.crl() == before


@pytest.mark.parametrize(
    "scope", [{"base_number": 1}, {"distribution_point": "http://pki.example.org/part.crl"}]
)
def test_a_part_of_a_list_does_not_take_the_place_of_the_whole(node: Node, scope: dict[str, Any]):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    fields = CrlFields(
        number=2, this_update_us=node.now_us, next_update_us=node.now_us + DAY_US, **scope
    )
    put(node, encode_tbs(node.ca.crl_issuer, fields, ()), fence=fence, number=2)
    with pytest.raises(CrlRefused, match=r"malformed|distribution_point"):
        sign(node, fence=fence, number=2)
    assert node.crl() == before


def test_what_is_no_crl_or_not_all_there_is_not_signed(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    with pytest.raises(CrlRefused, match="malformed"):
        put(node, tbs[:40], fence=fence, number=2)
    with pytest.raises(CrlRefused, match="malformed"):
        sign(node, fence=fence, number=2)
    end = tbs.index(b"\xa0")
    put(node, tbs[:end], fence=fence, number=2)
    for parts in (1, 2):
        with pytest.raises(CrlRefused, match="malformed"):
            sign(node, fence=fence, number=2, parts=parts)
    for part, octets in ((2, tbs[end:]), (0, tbs[end:]), (1, tbs)):
        with pytest.raises(CrlRefused, match="malformed"):
            put(node, octets, fence=fence, number=2, part=part)
    assert node.crl() == before


def test_a_piece_may_come_again_as_long_as_the_next_has_not(node: Node):
    node.loop.tick()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    end = tbs.index(b"\xa0")
    for _ in range(2):
        put(node, tbs[:end], fence=fence, number=2)
    put(node, tbs[end:], fence=fence, number=2, part=1)
    with pytest.raises(CrlRefused, match="malformed"):
        put(node, tbs[end:], fence=fence, number=2, part=1)
    sign(node, fence=fence, number=2, parts=2)
    assert node.number() == 2
    with pytest.raises(CrlRefused, match="number"):
        sign(node, fence=fence, number=2, parts=2)


def test_a_piece_that_was_not_written_was_not_read(node: Node):
    """What is signed is what stands in the store."""
    node.loop.tick()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    with sqlite3.connect(node.database) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON crl_parts BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    database.close()
    with pytest.raises(Failure):
        put(node, tbs, fence=fence, number=2)
    with sqlite3.connect(node.database) as database:
        database.execute("DROP TRIGGER full")
    database.close()
    with pytest.raises(CrlRefused, match="malformed"):
        sign(node, fence=fence, number=2)


def test_a_restarted_authority_wants_all_pieces_again(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    put(node, tbs_of(node, node.ca, number=2), fence=fence, number=2)
    node.service._powers.crl_drafts.__init__({ISSUER: node.ca})  # type: ignore[misc]
    with pytest.raises(CrlRefused, match="malformed"):
        sign(node, fence=fence, number=2)
    assert node.crl() == before


def test_sizes_of_pieces_are_bounded(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    for part, octets in ((-1, tbs), (0, b""), (1 << 20, tbs), (0, bytes(PART_OCTETS + 1))):
        with pytest.raises(CrlRefused, match="size"):
            put(node, octets, fence=fence, number=2, part=part)
    assert node.crl() == before
