"""What gates know is read alike from inside a transaction and beside it, in both stores."""

from __future__ import annotations

from typing import Any

from certctl.domain.certificates import CertificateKey
from certctl.domain.lockout import Lockout
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest
from tests.contract.test_store_approval import waiting

ONE, TWO = certificate(1), certificate(2)
WAITS = waiting(1)

ASKED: dict[str, tuple[Any, ...]] = {
    "certificate_states": ([CertificateKey(ONE.serial, ONE.fingerprint)],),
    "certificates_by_id": ([ONE.id, "nobody's"],),
    "repeated_certificates": ([digest("again"), digest("never")], NOW),
    "key_facts": ([ONE.spki_sha256, digest("lost")], NOW),
    "limit_hits": ([digest("limited"), digest("free")],),
    "lockouts": (["192.0.2.1", "192.0.2.2"],),
    "requests_by_key": ([WAITS.key, digest("none")],),
    "waiting_number": (NOW,),
}


def test_beside_a_transaction_as_inside_it(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_certificates([ONE, TWO])
        transaction.record_repetitions([(digest("again"), ONE.id, NOW + DAY)], NOW)
        transaction.note_compromised_keys([digest("lost")], NOW)
        transaction.record_limit_hits({digest("limited"): (NOW, NOW + 1)})
        transaction.record_lockouts([Lockout(source="192.0.2.1", failures=3, window_began_us=NOW)])
        transaction.record_requests([WAITS])
    with pair.store.transaction() as transaction:
        inside = {name: getattr(transaction, name)(*values) for name, values in ASKED.items()}
    beside = {name: getattr(pair.records, name)(*values) for name, values in ASKED.items()}
    assert beside == inside
    assert all(inside.values()), inside
