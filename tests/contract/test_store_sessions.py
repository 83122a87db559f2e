"""Sessions of the web pages through the ports."""

from __future__ import annotations

import pytest

from certctl.domain.ports import DuplicateKey
from certctl.domain.sessions import Session
from certctl.store import CommandRefused
from tests.contract.conftest import Pair
from tests.contract.samples import NOW
from tests.harness.replacing import replace

SESSION = Session(digest=b"s" * 32, key_id="0a" * 16, opened_us=NOW, expires_us=NOW + 10)


def record(pair: Pair, *sessions: Session) -> None:
    with pair.store.transaction() as transaction:
        for each in sessions:
            transaction.record_session(each)


def test_a_session_is_found_by_its_digest_alone(pair: Pair):
    record(pair, SESSION)
    assert pair.records.session(SESSION.digest) == SESSION
    assert pair.records.session(b"t" * 32) is None
    with pair.store.transaction() as transaction:
        assert transaction.session(SESSION.digest) == SESSION


def test_a_session_is_extended_and_ended(pair: Pair):
    other = replace(SESSION, digest=b"o" * 32)
    record(pair, SESSION, other)
    with pair.store.transaction() as transaction:
        transaction.extend_session(SESSION.digest, NOW + 99)
        transaction.extend_session(b"t" * 32, NOW + 99)
    assert pair.records.session(SESSION.digest) == replace(SESSION, expires_us=NOW + 99)
    with pair.store.transaction() as transaction:
        transaction.end_session(SESSION.digest)
    assert pair.records.session(SESSION.digest) is None
    assert pair.records.session(other.digest) == other


def test_a_digest_is_taken_once_and_has_its_length(pair: Pair):
    record(pair, SESSION)
    with pytest.raises(DuplicateKey):
        record(pair, replace(SESSION, key_id="0b" * 16))
    with pytest.raises(CommandRefused):
        record(pair, replace(SESSION, digest=b"short"))


def test_sessions_that_ended_are_forgotten_oldest_first_and_a_bounded_number(pair: Pair):
    rows = [
        replace(SESSION, digest=bytes([number]) * 32, expires_us=NOW + number)
        for number in range(1, 5)
    ]
    record(pair, *rows)
    with pair.store.transaction() as transaction:
        transaction.forget_sessions(NOW + 3, 2)
    left = [each for each in rows if pair.records.session(each.digest) is not None]
    assert left == rows[2:]
