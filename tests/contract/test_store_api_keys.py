"""API keys, their pepper and kept answers through the ports."""

from __future__ import annotations

import pytest

from certctl.domain.api_keys import ApiKey, Role
from certctl.domain.kept_answer import KeptAnswer
from certctl.domain.ports import DuplicateKey
from certctl.store import CommandRefused, PepperMismatch
from tests.contract.conftest import Pair
from tests.contract.samples import NOW
from tests.harness.replacing import replace

KEY = ApiKey(
    id="0a" * 16,
    name="alice",
    role=Role.OPERATOR,
    digest=b"d" * 32,
    created_us=NOW,
    created_by="host:root",
    tenant="north",
    profiles=("corp", "iot"),
    expires_us=NOW + 5,
)


def record(pair: Pair, *keys: ApiKey) -> None:
    with pair.store.transaction() as transaction:
        for key in keys:
            transaction.record_api_key(key)


def test_a_key_is_read_as_it_was_made(pair: Pair):
    bare = replace(KEY, id="0b" * 16, tenant=None, profiles=(), expires_us=None)
    record(pair, bare, KEY)
    assert pair.records.api_key(KEY.id) == KEY
    assert list(pair.records.api_keys()) == [KEY, bare]
    assert pair.records.api_key("ff" * 16) is None
    with pair.store.transaction() as transaction:
        assert transaction.api_key(bare.id) == bare


def test_the_first_revocation_stands(pair: Pair):
    record(pair, KEY)
    for now_us in (NOW + 1, NOW + 2):
        with pair.store.transaction() as transaction:
            transaction.revoke_api_key(KEY.id, now_us)
    assert pair.records.api_key(KEY.id) == replace(KEY, revoked_us=NOW + 1)


def test_an_id_is_taken_once_and_a_digest_has_its_length(pair: Pair):
    record(pair, KEY)
    with pytest.raises(DuplicateKey):
        record(pair, replace(KEY, name="eve"))
    with pytest.raises(CommandRefused):
        record(pair, replace(KEY, id="0c" * 16, digest=b"short"))
    assert list(pair.records.api_keys()) == [KEY]


def test_the_first_pepper_stays(pair: Pair):
    with pair.store.transaction() as transaction:
        assert transaction.bound_pepper() is None
        transaction.bind_pepper(b"p" * 32)
        transaction.bind_pepper(b"p" * 32)
    with pytest.raises(PepperMismatch), pair.store.transaction() as transaction:
        transaction.bind_pepper(b"q" * 32)
    with pair.store.transaction() as transaction:
        assert transaction.bound_pepper() == b"p" * 32


def answer(key: bytes, *, expires_us: int = NOW + 10) -> KeptAnswer:
    return KeptAnswer(key=key * 32, request=b"r" * 32, result=b"\x00\x01", expires_us=expires_us)


def test_an_answer_is_kept_until_it_expires(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.keep_answer(answer(b"a"), NOW)
    with pair.store.transaction() as transaction:
        assert transaction.kept_answer(b"a" * 32, NOW) == answer(b"a")
        assert transaction.kept_answer(b"a" * 32, NOW + 10) is None
        assert transaction.kept_answer(b"b" * 32, NOW) is None
        transaction.keep_answer(answer(b"a", expires_us=NOW + 20), NOW + 10)
        assert transaction.kept_answer(b"a" * 32, NOW + 10) is not None
    records = pair.records
    assert records.kept_answer(b"a" * 32, NOW + 10) == answer(b"a", expires_us=NOW + 20)
    assert records.kept_answer(b"a" * 32, NOW + 20) is None
    assert records.kept_answer(b"b" * 32, NOW) is None


def test_an_answer_that_another_node_has_kept_is_not_replaced(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.keep_answer(answer(b"a"), NOW)
    with pytest.raises(DuplicateKey), pair.store.transaction() as transaction:
        transaction.keep_answer(replace(answer(b"a"), result=b"second"), NOW + 9)
    with pair.store.transaction() as transaction:
        assert transaction.kept_answer(b"a" * 32, NOW) == answer(b"a")


def test_expired_answers_are_forgotten_a_few_at_a_time(pair: Pair):
    with pair.store.transaction() as transaction:
        for number, key in enumerate((b"a", b"b", b"c")):
            transaction.keep_answer(answer(key, expires_us=NOW + number), NOW)
        transaction.forget_answers(NOW + 1, 1)
        left = [transaction.kept_answer(key * 32, 0) is not None for key in (b"a", b"b", b"c")]
        assert left == [False, True, True]
        transaction.forget_answers(NOW + 1, 9)
        left = [transaction.kept_answer(key * 32, 0) is not None for key in (b"a", b"b", b"c")]
        assert left == [False, False, True]
