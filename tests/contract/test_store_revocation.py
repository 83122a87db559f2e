"""Revocation through the ports: what the gates ask afterwards says so, in both stores."""

from __future__ import annotations

import pytest

from certctl.domain.certificates import CertificateStatus
from certctl.domain.revocation import RevocationReason
from certctl.store import CommandRefused
from tests.contract.conftest import Pair
from tests.contract.samples import NOW, certificate, key_of


def test_a_revoked_certificate_is_revoked_everywhere(pair: Pair):
    first, second = certificate(1), certificate(2)
    with pair.store.transaction() as transaction:
        transaction.record_certificates([first, second])
        transaction.record_repetitions([(b"k" * 32, first.id, NOW + 10)], NOW)
    with pair.store.transaction() as transaction:
        transaction.revoke_certificates([first.id], NOW + 5, RevocationReason.SUPERSEDED)
        assert transaction.repeated_certificates([b"k" * 32], NOW) == {}
        inside = transaction.certificate(first.id)
    assert inside is not None
    assert inside.status is CertificateStatus.REVOKED

    state = pair.records.state_of(key_of(first))
    (record,) = pair.records.with_serial(first.serial)
    assert state is not None
    assert state.status is CertificateStatus.REVOKED
    assert (record.revoked_us, record.revocation_reason) == (NOW + 5, "superseded")
    other = pair.records.state_of(key_of(second))
    assert other is not None
    assert other.status is CertificateStatus.VALID


def test_nothing_is_revoked_when_the_transaction_fails(pair: Pair):
    record = certificate(1)
    with pair.store.transaction() as transaction:
        transaction.record_certificates([record])

    def interrupted() -> None:
        with pair.store.transaction() as transaction:
            transaction.revoke_certificates([record.id], NOW, RevocationReason.KEY_COMPROMISE)
            transaction.note_compromised_keys([record.spki_sha256], NOW)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        interrupted()
    state = pair.records.state_of(key_of(record))
    assert state is not None
    assert state.status is CertificateStatus.VALID


def test_a_serial_number_finds_what_each_issuer_gave_it(pair: Pair):
    one = certificate(1)
    other = certificate(2, serial=one.serial, issuer_id="iss-other")
    with pair.store.transaction() as transaction:
        transaction.record_certificates([other, one])
    found = pair.records.with_serial("0" + one.serial)
    assert [each.issuer_id for each in found] == ["iss-local", "iss-other"]
    assert pair.records.with_serial("abc") == []
    assert pair.records.with_serial("f" * 60) == []


def test_a_key_hash_of_another_size_is_refused(pair: Pair):
    def cut() -> None:
        with pair.store.transaction() as transaction:
            transaction.note_compromised_keys([b"short"], NOW)

    with pytest.raises(CommandRefused):
        cut()
