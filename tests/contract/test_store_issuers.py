"""Issuers through the ports: kept, changed, their keys for the writer alone, ids for good."""

from __future__ import annotations

import pytest

from certctl.domain.certificates import CertificateSource
from certctl.domain.ports import DuplicateKey
from certctl.domain.stored_issuers import IssuerState, LastTrial, StoredIssuer
from certctl.store import CaMismatch, CommandRefused, ConfigKeyMismatch, MemoryStore
from tests.contract.conftest import Pair
from tests.contract.samples import NOW, certificate
from tests.harness.replacing import replace

CHAIN = (b"\x30\x03\x02\x01\x01", b"\x30\x81\x80" + bytes(128))


def row(issuer_id: str, *, version: int = 1, **more: object) -> StoredIssuer:
    known = StoredIssuer(
        id=issuer_id,
        version=version,
        type="local",
        display_name="Fabrik Süd",
        state=IssuerState.ENABLED,
        key_type="P-256",
        validity_s=86_400,
        chain=CHAIN,
        csr_der=b"",
        created_us=NOW,
        created_by="key:root",
        changed_us=NOW,
    )
    return replace(known, **more)


def put(pair: Pair, each: StoredIssuer, sealed: bytes = b"sealed") -> None:
    with pair.store.transaction() as transaction:
        transaction.put_issuer(each, sealed)


def test_what_is_put_is_read_on_both_sides_and_the_key_on_one(pair: Pair) -> None:
    assert list(pair.records.stored_issuers()) == []
    pending = row("b", state=IssuerState.PENDING, chain=(), csr_der=b"\x30\x00")
    put(pair, pending, b"of b")
    put(pair, row("a"), b"of a")
    changed = row("a", version=2, state=IssuerState.DISABLED, changed_us=NOW + 1)
    put(pair, changed, b"of a, anew")
    assert list(pair.records.stored_issuers()) == [changed, pending]
    with pair.store.transaction() as transaction:
        assert list(transaction.stored_issuers()) == [changed, pending]
        assert transaction.sealed_issuers() == {"a": b"of a, anew", "b": b"of b"}
    if not isinstance(pair.records, MemoryStore):
        assert not hasattr(pair.records, "sealed_issuers")


def test_a_version_is_written_once(pair: Pair) -> None:
    put(pair, row("a", version=2))
    for version in (1, 2):
        with pytest.raises(DuplicateKey):
            put(pair, row("a", version=version, display_name="late"))
    assert [each.display_name for each in pair.records.stored_issuers()] == ["Fabrik Süd"]


def test_a_deleted_issuer_stays_without_a_key(pair: Pair) -> None:
    put(pair, row("a"))
    gone = row("a", version=2, state=IssuerState.DELETED)
    with pytest.raises(CommandRefused):
        put(pair, gone, b"still a key")
    put(pair, gone, b"")
    assert list(pair.records.stored_issuers()) == [gone]
    with pair.store.transaction() as transaction:
        assert transaction.sealed_issuers() == {}
    with pytest.raises(CommandRefused):
        put(pair, row("a", version=3), b"")


def test_each_change_changes_the_stamp(pair: Pair) -> None:
    seen = {pair.records.stored_issuers_stamp()}
    for each, sealed in (
        (row("a"), b"x"),
        (row("b"), b"x"),
        (row("a", version=2), b"x"),
        (row("b", version=2, state=IssuerState.DELETED), b""),
    ):
        put(pair, each, sealed)
        seen.add(pair.records.stored_issuers_stamp())
    assert len(seen) == 5


def test_unexpired_certificates_of_devices_are_counted(pair: Pair) -> None:
    mine = [replace(certificate(n), issuer_id="a", not_after_us=NOW + n) for n in range(1, 5)]
    ours = replace(
        certificate(5), issuer_id="a", not_after_us=NOW + 9, source=CertificateSource.INTERNAL
    )
    other = replace(certificate(6), issuer_id="b", not_after_us=NOW + 9)
    with pair.store.transaction() as transaction:
        transaction.record_certificates([*mine, ours, other])
        assert transaction.unexpired_number("a", NOW + 2, 100) == 3
    assert pair.records.unexpired_number("a", NOW, 100) == 4
    assert pair.records.unexpired_number("a", NOW, 2) == 2
    assert pair.records.unexpired_number("a", NOW + 5, 100) == 0
    assert pair.records.unexpired_number("c", NOW, 100) == 0


def test_an_id_stands_for_one_ca_for_good(pair: Pair) -> None:
    with pair.store.transaction() as transaction:
        assert transaction.ca_fingerprint("a") is None
        transaction.bind_ca("a", bytes(32))
    with pair.store.transaction() as transaction:
        assert transaction.ca_fingerprint("a") == bytes(32)
        with pytest.raises(CaMismatch):
            transaction.bind_ca("a", b"\x01" * 32)


def test_the_store_belongs_to_one_config_key(pair: Pair) -> None:
    if isinstance(pair.store, MemoryStore):
        return
    pair.store.bind_config_key(b"\x01" * 32)
    pair.store.bind_config_key(b"\x01" * 32)
    with pytest.raises(ConfigKeyMismatch, match="CERTCTL_CONFIG_ENCRYPTION_KEY"):
        pair.store.bind_config_key(b"\x02" * 32)


def test_the_last_trial_of_an_issuer_is_kept(pair: Pair) -> None:
    first = LastTrial(
        issuer_id="a", tested_us=NOW, took_us=5, tried="x", problem="ü is off", remedy="y"
    )
    last = replace(first, tested_us=NOW + 1, problem="", remedy="")
    assert pair.records.issuer_trials() == {}
    for trial in (first, replace(first, issuer_id="b"), last):
        with pair.store.transaction() as transaction:
            transaction.note_trial(trial)
    assert pair.records.issuer_trials() == {"a": last, "b": replace(first, issuer_id="b")}
