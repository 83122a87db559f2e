"""What ``/metrics`` says of records and files: whole, bounded, and silent where it cannot."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import Counter
from certctl.domain.clock import SECOND_US
from certctl.domain.crl import CrlRecord, CrlSeal
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.intent import IntentStatus
from certctl.obs.log import Level, make_log
from certctl.obs.metrics import families
from certctl.obs.metrics.numbers import OTHER
from certctl.settings.env import load_settings
from certctl.settings.schema import Settings
from certctl.store import MemoryStore
from certctl.wiring.metrics import Exposition, make_numbers
from certctl.wiring.metrics_found import FILES_EVERY_US, FromFiles, from_records
from tests.contract.test_store_intents import closed, intent
from tests.harness.device import Device
from tests.harness.pki import ForeignCA

NOW_US = 1_800_000_000 * SECOND_US


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "CERTCTL_DATA_DIR": str(tmp_path),
            "CERTCTL_EST_ENABLED": "true",
            "CERTCTL_EST_PROFILES": "corp",
            "CERTCTL_EST_PROFILE_CORP_ISSUER_ID": "iss-local",
            "CERTCTL_EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
            "CERTCTL_EST_PROFILE_CORP_ENROLLMENT_PASSWORD": "a-long-password-01",
        },
        None,
    )


def test_all_twelve_counters_are_there_and_removed_profiles_are_other(settings: Settings) -> None:
    store = MemoryStore()
    with store.transaction() as transaction:
        counts = {
            ("corp", Counter.RATE_LIMITED): 3,
            ("gone", Counter.RATE_LIMITED): 4,
            ("gone-too", Counter.RATE_LIMITED): 5,
            ("", Counter.CSR_INVALID): 6,
        }
        transaction.add_counts("node-a", counts)
        transaction.add_counts("node-b", {("corp", Counter.RATE_LIMITED): 10})
    found = from_records(store, settings)[families.EST_REQUESTS]
    assert {labels for labels in found if labels[0] == "corp"} == {
        ("corp", each.value) for each in Counter
    }
    assert found["corp", "rate_limited"] == 13
    assert found[OTHER, "rate_limited"] == 9
    assert found[OTHER, "csr_invalid"] == 6


def test_lost_calls_and_the_crl_are_told(settings: Settings) -> None:
    store = MemoryStore()
    crl = CrlRecord(
        scope="iss-local",
        number=1,
        before=0,
        listed_us=0,
        this_update_us=NOW_US,
        next_update_us=NOW_US + 60 * SECOND_US,
        scheduled_us=NOW_US,
        stamp="0",
        seal=CrlSeal(front=b"", back=b""),
        parts=0,
        size=228,
        digest=bytes(32),
    )
    with store.transaction() as transaction:
        transaction.record_intents([intent(1), closed(2, IntentStatus.LOST)])
        transaction.publish_crl(crl)
        for number, made_us in ((1, NOW_US), (2, NOW_US - SECOND_US), (3, 0)):
            ended_us = NOW_US if number == 3 else None
            transaction.add_crl_partition(
                CrlPartition(number=number, base="http://x", ended_us=ended_us)
            )
            other = replace(crl, scope=f"iss-local/{number}", this_update_us=made_us)
            transaction.publish_crl(replace(other, next_update_us=made_us + 5 * SECOND_US))
    found = from_records(store, settings)
    assert found[families.INTENTS] == {("open",): 1, ("lost",): 1, ("orphan",): 0}
    assert found[families.CRL_UNTIL] == {("iss-local",): 1_800_000_060}
    assert found[families.CRL_SIZE] == {("iss-local",): 228}
    assert found[families.CRL_PARTITIONS] == {("iss-local",): 2}
    assert found[families.CRL_PARTITIONS_SINCE] == {("iss-local",): 1_799_999_999}
    assert found[families.CRL_PARTITIONS_UNTIL] == {("iss-local",): 1_800_000_004}
    assert found[families.REQUESTS_WAITING] == {(): 0}
    assert set(found) == set(families.FROM_RECORDS)


def test_files_are_read_again_and_broken_ones_left_out(settings: Settings, tmp_path: Path) -> None:
    now = [NOW_US]
    responder = ForeignCA("Responder", days=(-1, 5))
    ders = {"iss-local": responder.certificate.public_bytes(Encoding.DER)}
    files = FromFiles(settings, ders, lambda: now[0])
    found = files.found()
    assert found[families.CA_UNTIL] == found[families.SERVER_UNTIL] == {}
    assert found[families.OCSP_UNTIL] == {
        ("iss-local",): responder.certificate.not_valid_after_utc.timestamp()
    }
    ca = ForeignCA("CA", days=(-1, 90))
    below = ForeignCA("Root that ends first", days=(-1, 10))
    (tmp_path / "server.pem").write_text("no certificate")
    (tmp_path / "ca-iss-local.pem").write_bytes(
        b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (ca, below))
    )
    assert files.found()[families.CA_UNTIL] == {}
    now[0] += FILES_EVERY_US
    found = files.found()
    end: dt.datetime = below.certificate.not_valid_after_utc
    assert found[families.CA_UNTIL] == {("iss-local",): end.timestamp()}
    assert found[families.SERVER_UNTIL] == {}
    # Set back, the clock must not keep an old answer for ever.
    device = ca.equip(Device(tmp_path, "server"))
    assert device.certificate is not None
    (tmp_path / "server.pem").write_bytes(device.certificate.public_bytes(Encoding.PEM))
    now[0] -= 10 * FILES_EVERY_US
    assert files.found()[families.SERVER_UNTIL] == {
        (): device.certificate.not_valid_after_utc.timestamp()
    }


def test_a_fault_is_logged_and_does_not_stay(settings: Settings) -> None:
    lines = io.StringIO()
    log = make_log("worker-1", level=Level.ERROR, text=False, clock=lambda: NOW_US, stream=lines)
    faults = [RuntimeError("broken on purpose")]

    def connected() -> bool:
        if faults:
            raise faults.pop()
        return True

    async def ask_thrice() -> list[str]:
        exposition = Exposition(
            settings,
            make_numbers(settings),
            responders={},
            connected=connected,
            clock=lambda: NOW_US,
            log=log,
        )
        with pytest.raises(RuntimeError):
            await exposition()
        texts = await asyncio.gather(exposition(), exposition())
        exposition.close()
        return [each.decode() for each in texts]

    one, other = asyncio.run(ask_thrice())
    # Asked at the same time, both are given the same.
    assert one == other
    assert "certctl_authority_up 1.0" in one
    # There is no database at all here.
    assert "certctl_store_up 0.0" in one
    assert "certctl_est_requests_total" not in one
    assert json.loads(lines.getvalue())["event"] == "metrics_failed"
