"""Contract of every store: certificates, repetitions."""

from __future__ import annotations

import pytest

from certctl.domain.certificates import (
    CertificateKey,
    CertificateSource,
    CertificateState,
    CertificateStatus,
)
from certctl.domain.ports import DuplicateKey
from certctl.store import CommandRefused
from certctl.wire.der import SEQUENCE, encode
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, digest, key_of
from tests.unit.wire import forge

REVOKED = CertificateStatus.REVOKED
KEY = digest("key")


def record(pair: Pair, *numbered: object) -> None:
    with pair.store.transaction() as transaction:
        transaction.record_certificates(list(numbered))  # type: ignore[arg-type]


def keep(pair: Pair, *rows: tuple[bytes, int, int], now_us: int = NOW) -> None:
    with pair.store.transaction() as transaction:
        transaction.record_repetitions(
            [(key, certificate(number).id, expires_us) for key, number, expires_us in rows], now_us
        )


def repeated(pair: Pair, *keys: bytes, now_us: int = NOW) -> dict[bytes, bytes]:
    with pair.store.transaction() as transaction:
        return dict(transaction.repeated_certificates(keys, now_us))


@pytest.mark.parametrize(
    "doubled",
    [
        certificate(2, id=certificate(1).id),
        certificate(2, serial=certificate(1).serial),
        # Numbers are compared, not texts.
        certificate(2, serial="00" + certificate(1).serial.upper()),
    ],
    ids=["id", "serial", "serial written otherwise"],
)
def test_keys_are_unique(pair: Pair, doubled: object):
    record(pair, certificate(1))
    with pytest.raises(DuplicateKey):
        record(pair, doubled)
    assert pair.records.certificates() == [certificate(1)]


def test_serials_are_unique_per_issuer_only(pair: Pair):
    other = certificate(2, serial=certificate(1).serial, issuer_id="iss-other")
    record(pair, certificate(1), other)
    assert pair.records.certificates() == [certificate(1), other]


@pytest.mark.parametrize("serial", ["1" + 41 * "0", "xyz", "-1"])
def test_a_serial_that_is_none_is_refused(pair: Pair, serial: str):
    with pytest.raises(ValueError):
        record(pair, certificate(1, serial=serial))
    assert pair.records.certificates() == []


@pytest.mark.parametrize("serial", ["0", "1", "7f", "100", "f" * 40])
def test_serials_come_back_without_padding(pair: Pair, serial: str):
    record(pair, certificate(1, serial=serial))
    found = pair.records.certificate(certificate(1).id)
    assert found is not None
    assert found.serial == serial


def test_every_field_comes_back(pair: Pair):
    full = certificate(
        1,
        profile="",
        source=CertificateSource.API,
        renews=certificate(9).id,
        status=REVOKED,
        revoked_us=NOW + 1,
        revocation_reason="keyCompromise",
        tenant="acme",
        sans=(),
        san_der=b"",
    )
    record(pair, full, certificate(2))
    assert pair.records.certificate(full.id) == full
    assert pair.records.certificate(certificate(2).id) == certificate(2)
    assert pair.records.certificate("absent") is None


def test_state_by_serial_and_fingerprint(pair: Pair):
    one = certificate(1, status=REVOKED)
    record(pair, one, certificate(2))
    assert pair.records.state_of(key_of(one)) == CertificateState(
        id=one.id,
        fingerprint=one.fingerprint,
        serial=one.serial,
        profile="demo",
        status=REVOKED,
        not_before_us=one.not_before_us,
        not_after_us=one.not_after_us,
        subject_der=one.subject_der,
        san_der=one.san_der,
    )
    assert pair.records.state_of(CertificateKey("1234", digest("absent"))) is None
    for serial in ("ff" * 21, "-1", ""):
        assert pair.records.state_of(CertificateKey(serial, digest("absent"))) is None


def test_the_same_number_of_another_ca_is_another_certificate(pair: Pair):
    one = certificate(1)
    other = certificate(2, serial=one.serial, issuer_id="iss-other")
    record(pair, one, other)
    foreign = CertificateKey(one.serial, digest("of a third CA"))
    assert pair.records.state_of(foreign) is None
    found = [pair.records.state_of(key_of(each)) for each in (one, other)]
    assert [state and state.id for state in found] == [one.id, other.id]


@pytest.mark.parametrize("count", [1, 3, 255, 256, 257, 700])
def test_states_of_many(pair: Pair, count: int):
    rows = [certificate(number) for number in range(1, count + 1)]
    record(pair, *rows)
    wanted = [key_of(row) for row in rows]
    with pair.store.transaction() as transaction:
        found = transaction.certificate_states([*wanted, CertificateKey("1234", digest("absent"))])
    assert {key: state.id for key, state in found.items()} == {
        row.fingerprint: row.id for row in rows
    }


def test_newest_valid_asks_for_names_profile_status_and_time(pair: Pair):
    names = {"subject_der": certificate(1).subject_der, "san_der": certificate(1).san_der}
    record(
        pair,
        *(certificate(number, **names) for number in (3, 1, 2)),
        certificate(4, **names | {"profile": "other"}),
        certificate(5, **names | {"status": REVOKED}),
        certificate(6, **names | {"not_after_us": NOW}),
        certificate(7, subject_der=names["subject_der"]),
        certificate(8, san_der=names["san_der"]),
        certificate(9, **names | {"profile": ""}),
    )
    found = pair.records.newest_valid("demo", names["subject_der"], names["san_der"], NOW)
    assert found is not None
    assert found.id == certificate(3).id
    assert pair.records.newest_valid("demo", names["subject_der"][:-1], b"", NOW) is None


def test_the_same_name_in_another_string_type_is_found(pair: Pair):
    one, other = forge.dns("a.example"), forge.dns("b.example")
    printable = forge.name((forge.CN, "pump", forge.PRINTABLE))
    sans = encode(SEQUENCE, one, other)
    record(pair, certificate(1, subject_der=printable, san_der=sans))
    found = pair.records.newest_valid(
        "demo", forge.name((forge.CN, "pump")), encode(SEQUENCE, other, one), NOW
    )
    assert found is not None
    assert found.subject_der == printable
    for subject, san_der in (
        (forge.name((forge.CN, "Pump")), sans),
        (forge.name((forge.CN, "pump", forge.IA5)), sans),
        (printable, encode(SEQUENCE, one)),
        (printable, b""),
    ):
        assert pair.records.newest_valid("demo", subject, san_der, NOW) is None


def test_names_without_a_subject_do_not_hide_each_other(pair: Pair):
    record(pair, *(certificate(number, subject_der=b"\x30\x00") for number in range(1, 60)))
    wanted = certificate(1)
    found = pair.records.newest_valid("demo", b"\x30\x00", wanted.san_der, NOW)
    assert found is not None
    assert found.id == wanted.id


def test_records_by_id(pair: Pair):
    one, two = certificate(1), certificate(2)
    record(pair, one, two)
    with pair.store.transaction() as transaction:
        assert transaction.certificates_by_id({one.id, "absent"}) == {one.id: one}


def test_pages_of_the_inventory(pair: Pair):
    rows = [certificate(number) for number in range(1, 8)]
    record(pair, *reversed(rows))
    first = pair.records.certificates(limit=3)
    second = pair.records.certificates(after=first[-1].id, limit=3)
    third = pair.records.certificates(after=second[-1].id, limit=3)
    assert [*first, *second, *third] == rows
    assert len(third) == 1
    assert pair.records.certificates(after=rows[-1].id) == []
    assert pair.records.certificates(limit=0) == []


def test_a_repetition_gives_its_certificate(pair: Pair):
    record(pair, certificate(1), certificate(2))
    keep(pair, (KEY, 1, NOW + DAY), (digest("other"), 2, NOW + DAY))
    assert repeated(pair, KEY, digest("other"), digest("absent")) == {
        KEY: certificate(1).der,
        digest("other"): certificate(2).der,
    }


@pytest.mark.parametrize(
    ("changes", "expires_us", "now_us"),
    [
        ({}, NOW + 10, NOW + 10),
        ({"status": REVOKED}, NOW + DAY, NOW),
        ({"not_after_us": NOW + 10}, NOW + DAY, NOW + 10),
    ],
    ids=["row expired", "certificate revoked", "certificate expired"],
)
def test_a_void_repetition_gives_nothing_and_is_replaced(
    pair: Pair, changes: dict[str, object], expires_us: int, now_us: int
):
    record(pair, certificate(1, **changes), certificate(2))
    keep(pair, (KEY, 1, expires_us))
    assert repeated(pair, KEY, now_us=now_us) == {}
    keep(pair, (KEY, 2, now_us + DAY), now_us=now_us)
    assert repeated(pair, KEY, now_us=now_us) == {KEY: certificate(2).der}


def test_a_repetition_holds_until_its_last_moment(pair: Pair):
    record(pair, certificate(1), certificate(2))
    keep(pair, (KEY, 1, NOW + 10))
    assert repeated(pair, KEY, now_us=NOW + 9) == {KEY: certificate(1).der}
    with pytest.raises(DuplicateKey):
        keep(pair, (digest("free"), 2, NOW + DAY), (KEY, 2, NOW + DAY), now_us=NOW + 9)
    assert repeated(pair, KEY, digest("free")) == {KEY: certificate(1).der}


def test_one_batch_cannot_keep_a_key_twice(pair: Pair):
    record(pair, certificate(1), certificate(2))
    with pytest.raises(DuplicateKey):
        keep(pair, (KEY, 1, NOW + DAY), (KEY, 2, NOW + DAY))
    assert repeated(pair, KEY) == {}


def test_a_repetition_needs_its_certificate(pair: Pair):
    with pytest.raises(CommandRefused):
        keep(pair, (KEY, 1, NOW + DAY))
    assert repeated(pair, KEY) == {}
