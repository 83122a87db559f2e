"""Standings, CRL entries and CRLs through the ports, in both stores."""

from __future__ import annotations

from random import Random

import pytest

from certctl.domain.crl import CrlRecord, CrlSeal, pack, unpack
from certctl.domain.ocsp import Revoked, Standing
from certctl.domain.ports import DuplicateKey
from certctl.domain.revocation import RevocationReason
from certctl.store.queries import crl_entries
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest
from tests.harness.replacing import replace

ISSUER = "iss-local"
HOUR = 3_600_000_000
CRL = CrlRecord(
    scope=ISSUER,
    number=7,
    before=6,
    this_update_us=NOW,
    next_update_us=NOW + DAY,
    scheduled_us=NOW - 5,
    listed_us=NOW - 9,
    stamp="1:2:3",
    seal=CrlSeal(front=b"front", back=b"back"),
    parts=2,
    size=20,
    digest=digest("crl"),
)


def revoke(pair: Pair, number: int, reason: RevocationReason, at_us: int = NOW) -> None:
    with pair.store.transaction() as transaction:
        transaction.revoke_certificates([certificate(number).id], at_us, reason)


@pytest.fixture
def five(pair: Pair) -> Pair:
    """Numbers 1 to 4 of one issuer, 5 of another."""
    records = [certificate(number) for number in range(1, 5)]
    with pair.store.transaction() as transaction:
        transaction.record_certificates([*records, certificate(5, issuer_id="other")])
    return pair


def listed(pair: Pair, issuer: str = ISSUER, since_us: int = 0) -> set[tuple[bytes, int, str]]:
    blocks = pair.records.revoked(issuer, listed_us=since_us)
    return {row for block in blocks for row in unpack(block)}


def test_standings_are_those_of_one_issuer(five: Pair):
    revoke(five, 2, RevocationReason.SUPERSEDED, NOW + 1)
    serials = [certificate(number).serial for number in range(1, 6)]
    assert five.records.standings(ISSUER, [*serials[1:], serials[0], "beef", "f" * 41, "-1"]) == {
        serials[0]: Standing.GOOD,
        serials[1]: Revoked(NOW + 1, RevocationReason.SUPERSEDED),
        serials[2]: Standing.GOOD,
        serials[3]: Standing.GOOD,
    }
    assert five.records.standings(ISSUER, []) == {}


def test_the_entries_of_a_crl_are_all_revoked_of_its_issuer(five: Pair):
    assert listed(five) == set()
    revoke(five, 1, RevocationReason.CERTIFICATE_HOLD)
    revoke(five, 3, RevocationReason.KEY_COMPROMISE, NOW + 2)
    revoke(five, 5, RevocationReason.UNSPECIFIED)
    number = (1 << 150).to_bytes(20, "big")
    assert listed(five) == {
        (number[:-1] + b"\x01", NOW, "certificateHold"),
        (number[:-1] + b"\x03", NOW + 2, "keyCompromise"),
    }
    assert {reason for _, _, reason in listed(five, "other")} == {"unspecified"}


def test_an_expired_entry_goes_once_it_stood_on_a_scheduled_crl(five: Pair):
    ends_us = certificate(1).not_after_us
    revoke(five, 1, RevocationReason.SUPERSEDED)
    assert len(listed(five, since_us=ends_us)) == 1, "not expired when that one was made"
    assert listed(five, since_us=ends_us + 1) == set()
    revoke(five, 2, RevocationReason.SUPERSEDED, ends_us + HOUR)
    # It was not on that list, which is older than its revocation.
    assert len(listed(five, since_us=ends_us + HOUR)) == 1
    assert listed(five, since_us=ends_us + 2 * HOUR) == set()


def test_entries_of_any_serial_time_and_reason_come_whole(pair: Pair, monkeypatch):
    """The database puts octets together: none may be lost, NUL and others that are no text."""
    monkeypatch.setattr(crl_entries, "BLOCK", 3)
    crl_entries._end.cache_clear()
    random = Random(7)  # noqa: S311 - the same in each run
    rows = [
        (
            random.randbytes(20) if number % 4 else random.randbytes(random.randrange(3, 20)),
            NOW + number // 2 if number % 5 else random.randrange(1, 10**16),
            random.choice([*RevocationReason]),
        )
        for number in range(40)
    ]
    rows[0] = (bytes(19) + b"\x01", NOW, RevocationReason.UNSPECIFIED)
    rows[1] = (b"\x41" + bytes(19), NOW, RevocationReason.UNSPECIFIED)
    with pair.store.transaction() as transaction:
        for number, (serial, at_us, reason) in enumerate(rows, 1):
            record = certificate(number, serial=serial.hex().lstrip("0") or "0")
            transaction.record_certificates([record])
            transaction.revoke_certificates([record.id], at_us, reason)
    wanted = {(serial.rjust(20, b"\0"), at_us, reason.value) for serial, at_us, reason in rows}
    blocks = list(pair.records.revoked(ISSUER, listed_us=0))
    assert sum(len(unpack(block)) for block in blocks) == len(rows)
    assert {row for block in blocks for row in unpack(block)} == wanted
    crl_entries._end.cache_clear()


def test_the_changes_since_a_base_are_revocations_and_releases(five: Pair):
    def changes(since_us: int) -> set[tuple[int, int, str]]:
        found = five.records.revocation_changes(ISSUER, since_us=since_us)
        return {(serial[-1], at_us, reason) for serial, at_us, reason in found}

    for number in (1, 2, 3):
        revoke(five, number, RevocationReason.CERTIFICATE_HOLD, NOW)
    revoke(five, 5, RevocationReason.SUPERSEDED, NOW + HOUR)
    with five.store.transaction() as transaction:
        ids = [certificate(number).id for number in (1, 2)]
        transaction.release_certificates(ids, NOW + HOUR)
    revoke(five, 2, RevocationReason.KEY_COMPROMISE, NOW + 2 * HOUR)
    assert changes(0) == {
        (1, NOW + HOUR, "removeFromCRL"),
        (2, NOW + 2 * HOUR, "keyCompromise"),
        (3, NOW, "certificateHold"),
    }
    assert {number for number, _, _ in changes(NOW + HOUR)} == {1, 2}
    assert {number for number, _, _ in changes(NOW + 2 * HOUR)} == {2}
    assert changes(NOW + 3 * HOUR) == set()
    apart_us = 60_000_000
    assert len(changes(NOW + HOUR + apart_us)) == 2, "clocks that are not far apart"


def test_what_is_packed_comes_back():
    rows = [
        (b"\x41" + bytes(19), NOW, "superseded"),
        (b"\x7f" + b"\xff" * 19, NOW, "unspecified"),
        (b"\x80" + bytes(19), NOW, "removeFromCRL"),
        (b"\x01", 5, "unspecified"),
    ]
    block = pack(rows)
    assert len(block.rare) == 2
    assert sorted(unpack(block)) == sorted(rows)


def test_the_stamp_shows_every_change(five: Pair):
    def stamp() -> str:
        return five.records.revocation_stamp(ISSUER)

    stamps = [stamp()]
    for number, reason, at_us in (
        (1, RevocationReason.CERTIFICATE_HOLD, NOW),
        (2, RevocationReason.SUPERSEDED, NOW),
        (3, RevocationReason.SUPERSEDED, NOW - 3_000_000),
        (1, RevocationReason.KEY_COMPROMISE, NOW + 1),
    ):
        revoke(five, number, reason, at_us)
        stamps.append(stamp())
    revoke(five, 5, RevocationReason.SUPERSEDED, NOW + 9)
    assert stamp() == stamps[-1], "of another issuer"
    assert len(set(stamps)) == len(stamps)


def test_a_crl_and_its_parts_come_back(pair: Pair):
    assert pair.records.crl(ISSUER) is None
    with pair.store.transaction() as transaction:
        transaction.put_crl_part(ISSUER, 7, 0, b"old")
        transaction.put_crl_part(ISSUER, 7, 1, b"second")
        transaction.put_crl_part(ISSUER, 7, 0, b"first")
        transaction.put_crl_part(ISSUER, 6, 0, b"other number")
        transaction.put_crl_part("other", 7, 0, b"other issuer")
        assert transaction.crl_parts(ISSUER, 7, 9) == [b"first", b"second"]
        assert transaction.crl_parts(ISSUER, 7, 1) == [b"first"]
        transaction.publish_crl(CRL)
        assert transaction.crl(ISSUER) == CRL
    assert pair.records.crl(ISSUER) == CRL
    assert pair.records.crl("other") is None
    parts = [pair.records.crl_part(ISSUER, 7, part) for part in range(3)]
    assert parts == [b"first", b"second", None]


@pytest.mark.parametrize("number", [7, 6])
def test_a_number_is_published_once_and_never_goes_back(pair: Pair, number: int):
    with pair.store.transaction() as transaction:
        transaction.publish_crl(CRL)

    def again() -> None:
        with pair.store.transaction() as transaction:
            transaction.publish_crl(replace(CRL, number=number, digest=digest("other")))

    with pytest.raises(DuplicateKey):
        again()
    assert pair.records.crl(ISSUER) == CRL
    with pair.store.transaction() as transaction:
        transaction.publish_crl(replace(CRL, number=8))
    assert pair.records.crl(ISSUER) == replace(CRL, number=8)


def test_old_parts_are_dropped_a_few_at_a_time(pair: Pair):
    with pair.store.transaction() as transaction:
        for number, part in ((5, 0), (6, 0), (6, 1), (7, 0)):
            transaction.put_crl_part(ISSUER, number, part, b"x")
        transaction.put_crl_part("other", 1, 0, b"x")
        assert transaction.drop_crl_parts(ISSUER, 7, 2) == 2
        assert transaction.crl_parts(ISSUER, 6, 9) == [b"x"]
        assert transaction.drop_crl_parts(ISSUER, 7, 2) == 1
        assert transaction.drop_crl_parts(ISSUER, 7, 2) == 0
        assert transaction.crl_parts(ISSUER, 7, 9) == [b"x"]
        assert transaction.crl_parts("other", 1, 9) == [b"x"]
