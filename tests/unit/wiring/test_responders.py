"""OCSP responders: made by the authority, on record, made anew in time, taken over by workers."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from certctl.domain.audit import AuditAction
from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import DAY_US
from certctl.domain.ids import sortable_id
from certctl.issuers.signers.file import KeyFileRefused
from certctl.obs.log import Level, make_log
from certctl.settings import load_settings
from certctl.settings.schema import Settings
from certctl.store import SqlStore, open_records, open_writable
from certctl.wiring.issuer_directory import IssuerDirectory
from certctl.wiring.issuers import open_issuers
from certctl.wiring.publishing import Publisher
from certctl.wiring.responders import ResponderKeeper

NOW_US = 1_800_000_000_000_000


@dataclass
class House:
    settings: Settings
    store: SqlStore
    keeper: ResponderKeeper
    file: Path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = load_settings({"CERTCTL_DATA_DIR": str(tmp_path)}, None)
    store = open_writable(settings.server.database_url, node="one")
    keeper = ResponderKeeper(
        settings,
        store,
        open_issuers(settings, store, now_us=NOW_US),
        new_id=lambda: sortable_id(NOW_US, secrets.token_bytes),
        log=_log(),
    )
    yield House(settings, store, keeper, tmp_path / "ocsp-iss-local.pem")
    store.close()


def _log():
    return make_log(
        "test", level=Level.ERROR, text=False, clock=lambda: NOW_US, stream=io.StringIO()
    )


def certificate(house: House) -> x509.Certificate:
    return x509.load_pem_x509_certificate(house.file.read_bytes())


def test_made_once_on_record_and_made_anew_before_its_end(house: House):
    assert house.keeper.renew_if_due(NOW_US)
    first = certificate(house)
    assert not house.keeper.renew_if_due(NOW_US + 22 * DAY_US)
    assert certificate(house) == first
    assert house.keeper.renew_if_due(NOW_US + 23 * DAY_US + 1)
    second = certificate(house)
    assert second.public_key() != first.public_key()
    assert not house.keeper.renew_if_due(NOW_US + 24 * DAY_US)

    records = open_records(house.settings.server.database_url)
    for each in (first, second):
        (record,) = records.with_serial(f"{each.serial_number:x}")
        assert record.source is CertificateSource.INTERNAL
    events = [each.event for each in records.events()]
    records.close()
    assert [each.action for each in events] == [AuditAction.CONFIG_CHANGED] * 2
    assert {each.details["serial"] for each in events} == {
        f"{each.serial_number:x}" for each in (first, second)
    }


def test_lost_it_is_made_anew_and_open_to_others_it_is_refused(house: House):
    assert house.keeper.renew_if_due(NOW_US)
    house.file.unlink()
    assert house.keeper.renew_if_due(NOW_US + DAY_US)
    house.file.chmod(0o644)
    with pytest.raises(KeyFileRefused):
        house.keeper.renew_if_due(NOW_US + 2 * DAY_US)


def test_workers_take_the_next_one_over(house: House, tmp_path: Path):
    records = open_records(house.settings.server.database_url)
    now = [NOW_US]
    publisher = Publisher(
        house.settings,
        records,
        tmp_path,
        IssuerDirectory(house.settings, records),
        clock=lambda: now[0],
        log=_log(),
        on_ocsp=lambda _issuer, _outcome: None,
    )
    publisher.load_responders()
    assert publisher._desks == {}
    house.keeper.renew_if_due(NOW_US)
    publisher.load_responders()
    desk = publisher._desks["iss-local"]

    def signer() -> x509.Certificate:
        answer = desk.answer_for_serial(f"{certificate(house).serial_number:x}", now[0])
        (found,) = ocsp.load_der_ocsp_response(answer.der).certificates
        return found

    assert signer() == certificate(house)
    now[0] += 23 * DAY_US + 1
    house.keeper.renew_if_due(now[0])
    assert signer() != certificate(house)
    publisher.load_responders()
    assert signer() == certificate(house)
    records.close()
