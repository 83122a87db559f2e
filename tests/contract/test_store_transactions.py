"""Contract of every store: a transaction is kept whole or not at all."""

from __future__ import annotations

import pytest

from certctl.domain.audit import Counter
from certctl.domain.certificates import CertificateRecord
from certctl.domain.ports import DuplicateKey, Records, WritableStore
from certctl.store import CaMismatch, CommandRefused
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest, event, key_of

ENROLLED = Counter.SUCCESS_SIMPLEENROLL


class Interrupted(BaseException):
    """Not an Exception, as KeyboardInterrupt and CancelledError are not."""


def through_the_ports(store: WritableStore, records: Records) -> int:
    with store.transaction() as transaction:
        transaction.append_events([event(1)])
    return len(records.events())


def nothing_kept(pair: Pair) -> bool:
    with pair.store.transaction() as transaction:
        return not (
            pair.records.certificates()
            or pair.records.events()
            or pair.records.counts()
            or transaction.repeated_certificates([digest("key")], NOW)
        )


def interrupt(pair: Pair, fault: type[BaseException]) -> None:
    with pair.store.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
        transaction.record_repetitions([(digest("key"), certificate(1).id, NOW + DAY)], NOW)
        transaction.append_events([event(1)])
        transaction.add_counts("one", {("demo", ENROLLED): 1})
        raise fault


def record_after_others(pair: Pair, *rows: CertificateRecord) -> None:
    with pair.store.transaction() as transaction:
        transaction.append_events([event(1)])
        transaction.add_counts("one", {("demo", ENROLLED): 1})
        transaction.record_certificates(rows)


def swallow(pair: Pair, refusal: type[Exception], *rows: CertificateRecord) -> None:
    with pair.store.transaction() as transaction:
        transaction.append_events([event(1)])
        with pytest.raises(refusal):
            transaction.record_certificates(rows)


@pytest.mark.parametrize("fault", [KeyError, Interrupted])
def test_an_exception_leaves_nothing(pair: Pair, fault: type[BaseException]):
    with pytest.raises(fault):
        interrupt(pair, fault)
    assert nothing_kept(pair)


def test_a_refused_command_takes_all_with_it(pair: Pair):
    with pytest.raises(DuplicateKey):
        record_after_others(pair, certificate(1), certificate(2), certificate(1))
    assert nothing_kept(pair)


@pytest.mark.parametrize(
    ("serial", "refusal"), [(certificate(1).serial, DuplicateKey), ("not hex", ValueError)]
)
def test_a_swallowed_refusal_comes_out_at_the_end(
    pair: Pair, serial: str, refusal: type[Exception]
):
    with pytest.raises(refusal):
        swallow(pair, refusal, certificate(1), certificate(2, serial=serial))
    assert nothing_kept(pair)


def test_the_store_goes_on_after_a_refusal(pair: Pair):
    with pytest.raises(DuplicateKey), pair.store.transaction() as transaction:
        transaction.record_certificates([certificate(1), certificate(1)])
    with pair.store.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
    assert pair.records.certificates() == [certificate(1)]


def test_readers_see_only_what_is_committed(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
        assert pair.records.certificate(certificate(1).id) is None
        assert transaction.certificate_states([key_of(certificate(1))])
    assert pair.records.certificate(certificate(1).id) == certificate(1)


def test_one_transaction_at_a_time(pair: Pair):
    with pair.store.transaction() as transaction:
        with pytest.raises(RuntimeError, match="open"), pair.store.transaction():
            pass
        transaction.append_events([event(1)])
    assert pair.records.events() == [event(1)]


def test_a_transaction_that_is_over_refuses_commands(pair: Pair):
    with pair.store.transaction() as transaction:
        pass
    with pytest.raises(RuntimeError, match="over"):
        transaction.append_events([event(1)])
    assert nothing_kept(pair)


def test_a_closed_store_refuses(pair: Pair):
    pair.store.close()
    pair.store.close()
    pair.records.close()
    pair.records.close()
    with pytest.raises(RuntimeError, match="closed"), pair.store.transaction():
        pass
    with pytest.raises(RuntimeError, match="closed"):
        pair.records.certificates()


def test_empty_batches_are_nothing(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_certificates([])
        transaction.record_repetitions([], NOW)
        transaction.append_events([])
        transaction.add_counts("one", {})
        assert transaction.certificate_states([]) == {}
        assert transaction.repeated_certificates([], NOW) == {}
    assert nothing_kept(pair)


def test_an_issuer_is_bound_to_one_ca_for_good(pair: Pair):
    assert pair.store.ca_fingerprint("iss-local") is None
    pair.store.bind_ca("iss-local", digest("ca"))
    pair.store.bind_ca("iss-local", digest("ca"))
    pair.store.bind_ca("iss-other", digest("other"))
    with pytest.raises(CaMismatch) as refused:
        pair.store.bind_ca("iss-local", digest("second"))
    assert refused.value.recorded == digest("ca")
    assert refused.value.presented == digest("second")
    assert pair.store.ca_fingerprint("iss-local") == digest("ca")
    assert pair.store.ca_fingerprint("iss-other") == digest("other")


def test_a_fingerprint_is_32_octets(pair: Pair):
    with pytest.raises(CommandRefused):
        pair.store.bind_ca("iss-local", b"short")
    with pytest.raises(CommandRefused), pair.store.transaction() as transaction:
        transaction.record_certificates([certificate(1, fingerprint=b"short")])
    assert pair.store.ca_fingerprint("iss-local") is None
    assert nothing_kept(pair)


def test_a_store_knows_its_node(pair: Pair):
    assert pair.store.node == "one"


def test_both_sides_are_the_ports(pair: Pair):
    assert through_the_ports(pair.store, pair.records) == 1
