"""What the records know about public keys, in both stores."""

from __future__ import annotations

from certctl.domain.certificates import CertificateSource, KeyFacts, KeyUse
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest


def use(number: int) -> KeyUse:
    record = certificate(number)
    return KeyUse(record.id, record.subject_der, record.san_der)


def test_unexpired_holders_and_lost_keys_are_told(pair: Pair):
    shared = digest("shared")
    with pair.store.transaction() as transaction:
        transaction.record_certificates(
            [
                certificate(1, spki_sha256=shared),
                certificate(2, spki_sha256=shared),
                certificate(3, spki_sha256=shared, not_after_us=NOW),
                certificate(4),
                # Nobody has it: a CA outside mixed up names.
                certificate(5, spki_sha256=shared, source=CertificateSource.ORPHAN),
            ]
        )
        transaction.note_compromised_keys([digest("lost"), certificate(4).spki_sha256], NOW)
    with pair.store.transaction() as transaction:
        asked = [shared, digest("lost"), certificate(4).spki_sha256, digest("nobody's")]
        facts = transaction.key_facts(asked, NOW)
        later = transaction.key_facts(asked, NOW + 2 * DAY)
    assert {key: set(each.uses) for key, each in facts.items()} == {
        shared: {use(1), use(2)},
        digest("lost"): set(),
        certificate(4).spki_sha256: {use(4)},
    }
    assert [each.compromised for each in facts.values()].count(True) == 2
    assert later == {
        digest("lost"): KeyFacts(compromised=True),
        certificate(4).spki_sha256: KeyFacts(compromised=True),
    }
