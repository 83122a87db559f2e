"""Finding and revoking: text is never SQL, and what is imported opens nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.certificates import CertificateStatus
from certctl.domain.inventory import CertificateFilter, CursorRefused, NameMatch
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.records import Ledger, Refused, certificate_count
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est-mtls/corp/simpleenroll"
NOW_US = 1_800_000_000_000_000

SQL = (
    "' OR '1'='1",
    "x' OR 1=1 --",
    "'; DROP TABLE certificates; --",
    '" OR ""="',
    "x') UNION SELECT * FROM compromised_keys --",
    "%",
    "_%",
    "\\",
    "\x00' OR 1=1 --",
    "*' OR 1=1 --",
    ":name",
    "?",
)
TEXT_FILTERS = ("serial", "profile", "certificate_profile", "issuer_id", "tenant")
NAME_FILTERS = ("cn", "san", "principal")
OCTET_FILTERS = ("fingerprint", "spki_sha256")


@pytest.fixture(scope="module")
def factory() -> ForeignCA:
    return ForeignCA("Factory CA")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, factory: ForeignCA) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("server")
    settings = {
        "EST_PROFILES": "corp,own",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls,basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(
            factory.bundle(directory / "factory.pem")
        ),
        "EST_PROFILE_OWN_ISSUER_ID": "iss-local",
        "EST_PROFILE_OWN_ALLOWED_AUTH_MODES": "mtls",
        "EST_PROFILE_OWN_MTLS_OWN_ONLY": "true",
    }
    with configured_server(directory, settings) as running:
        device = Device(directory, common_name="device-1")
        path = "/.well-known/est/corp/simpleenroll"
        assert device.enroll(running, path, password=PASSWORD).status == 200
        yield running


def run(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "certificates", *arguments],
        env=clean_environment(server.environment),
        cwd=server.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _filters(text: str) -> Iterator[CertificateFilter]:
    given: dict[str, Any] = dict.fromkeys(TEXT_FILTERS, text)
    for name in NAME_FILTERS:
        given[name] = NameMatch(text=text)
        beginning: dict[str, Any] = {name: NameMatch(text=text, prefix=True)}
        yield CertificateFilter(**beginning)
    given |= dict.fromkeys(OCTET_FILTERS, text.encode())
    for name, value in given.items():
        yield CertificateFilter(**{name: value})


@pytest.mark.parametrize("text", SQL)
def test_sql_in_each_filter_finds_nothing(server: RunningServer, text: str):
    there = certificate_count(server)
    records = server.records()
    for wanted in _filters(text):
        page = records.search(wanted, NOW_US)
        assert (page.rows, page.cursor) == ((), None), wanted
        with pytest.raises(CursorRefused):
            records.search(wanted, NOW_US, cursor=text)
    records.close()
    assert certificate_count(server) == there > 0


def test_sql_in_each_option_finds_and_revokes_nothing(server: RunningServer):
    text = "' OR '1'='1"
    ledger = Ledger(server, path="/.well-known/est/corp/simpleenroll", marks=0)
    for option in ("--cn", "--san", "--principal", "--profile", "--issuer", "--tenant"):
        listed = run(server, "list", option, text, "--output", "json")
        assert json.loads(listed.stdout) == {"data": [], "next_cursor": None}
    for option in ("--serial", "--fingerprint", "--key", "--issued-from"):
        assert run(server, "list", option, text).returncode == 2
    criteria = ("--profile", text, "--tenant", text, "--principal", text, "--id", text)
    done = run(server, "bulk-revoke", "--reason", "superseded", "--yes", *criteria)
    assert (done.returncode, json.loads(done.stdout)["total_revoked"]) == (1, 0)
    records = server.records()
    assert {each.status for each in records.certificates()} == {CertificateStatus.VALID}
    records.close()
    assert [event.action for event in ledger.change().events] == [AuditAction.BULK_REVOKE]


def test_an_imported_certificate_opens_nothing_by_itself_and_revoked_nothing_at_all(
    server: RunningServer, factory: ForeignCA, tmp_path: Path
):
    device = factory.equip(Device(tmp_path, common_name="from-the-factory"))
    stranger = ForeignCA("Stranger CA").equip(Device(tmp_path, common_name="stranger"))
    for each in (device, stranger):
        assert run(server, "import", str(each.certificate_file)).returncode == 0
    own = "/.well-known/est-mtls/own/simpleenroll"
    ledger = Ledger(server, path=ENROLL, marks=0)

    # On record it is no certificate of ours, and its CA is nobody's here.
    assert stranger.enroll(server, ENROLL, with_certificate=True).status == 401
    assert device.enroll(server, own, with_certificate=True).status == 401
    ledger.expect(
        *(
            Refused(
                action=AuditAction.AUTH_FAILED_MTLS,
                reason="untrusted",
                counter=Counter.AUTH_FAILED_MTLS,
                profile=profile,
            )
            for profile in ("corp", "own")
        )
    )

    # The bundle opens, as it did before the import; the revocation shuts.
    shown = device.certificate
    assert shown is not None
    assert device.enroll(server, ENROLL, with_certificate=True).status == 200
    device.certificate = shown
    assert run(server, "revoke", f"{shown.serial_number:x}").returncode == 0
    ledger = Ledger(server, path=ENROLL, marks=0)
    assert device.enroll(server, ENROLL, with_certificate=True).status == 401
    ledger.expect(
        Refused(
            action=AuditAction.AUTH_FAILED_MTLS,
            reason="revoked",
            counter=Counter.AUTH_FAILED_MTLS,
            profile="corp",
        )
    )
