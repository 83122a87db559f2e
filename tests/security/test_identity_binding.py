"""IDENTITY_BINDING: a first certificate is for the device that shows its own (est §3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from certctl.domain.audit import AuditAction, Counter
from tests.harness.device import Device, name
from tests.harness.pki import ForeignCA
from tests.harness.records import Ledger, Refused
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import assert_refused

FACTORY = ForeignCA("factory")
PROFILES = {"none": "none", "cn": "cn", "sn": "serial_number", "whole": "subject"}
PASSWORD = "corp-password-0001"
SHOWN = name("pump-7", serial_number="A1", organization_name="Works")

_numbers = itertools.count()

# The subject asked for, and the profiles that grant it to the device that shows SHOWN.
ASKED = {
    "the same": (SHOWN, {"none", "cn", "sn", "whole"}),
    "same CN": (name("pump-7"), {"none", "cn"}),
    "same serial number": (name("pump-8", serial_number="A1"), {"none", "sn"}),
    "CN and serial number": (name("pump-7", serial_number="A1"), {"none", "cn", "sn"}),
    "serial number as CN": (name("A1"), {"none"}),
    "CN as serial number": (name("x", serial_number="pump-7"), {"none"}),
    "other case": (name("PUMP-7", serial_number="a1"), {"none"}),
    "a second CN": (
        x509.Name([*name("pump-7"), *name("pump-8")]),
        {"none"},
    ),
    "a blank more": (name("pump-7 "), {"none"}),
    "only the organization": (
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Works")]),
        {"none"},
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("identity")
    bundle = str(FACTORY.bundle(directory / "factory.pem"))
    settings = {"EST_PROFILES": ",".join(PROFILES)}
    for profile, binding in PROFILES.items():
        infix = f"EST_PROFILE_{profile.upper()}_"
        settings |= {
            f"{infix}ISSUER_ID": "iss-local",
            f"{infix}ALLOWED_AUTH_MODES": "mtls,basic",
            f"{infix}ENROLLMENT_PASSWORD": PASSWORD,
            f"{infix}MTLS_ENABLED": "true",
            f"{infix}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": bundle,
            f"{infix}IDENTITY_BINDING": binding,
        }
    with configured_server(directory, settings) as running:
        yield running


def path(profile: str) -> str:
    return f"/.well-known/est/{profile}/simpleenroll"


def mismatch(profile: str) -> Refused:
    return Refused(
        action=AuditAction.SIMPLE_ENROLL_FAILED,
        reason="identity_mismatch",
        counter=Counter.CSR_POLICY_VIOLATION,
        profile=profile,
    )


def device(directory: Path, shown: x509.Name) -> Device:
    made = Device(directory, f"device-{next(_numbers)}")
    return FACTORY.equip(made, subject=shown)


@pytest.mark.parametrize("case", ASKED)
@pytest.mark.parametrize("profile", PROFILES)
def test_only_the_device_itself_is_enrolled(
    server: RunningServer, tmp_path: Path, profile: str, case: str
) -> None:
    asked, granted = ASKED[case]
    made = device(tmp_path, SHOWN)
    ledger = Ledger(server, path=path(profile))
    answer = made.enroll(
        server, path(profile), with_certificate=True, body=made.body(made.csr(asked))
    )
    if profile in granted:
        assert answer.status == 200, answer.text
        ledger.expect(issued=1)
    else:
        assert_refused(answer, 403, "IDENTITY_BINDING", "client certificate names")
        ledger.expect(mismatch(profile))


@pytest.mark.parametrize("profile", ["cn", "sn", "whole"])
def test_a_certificate_without_what_is_compared_binds_nothing(
    server: RunningServer, tmp_path: Path, profile: str
) -> None:
    shown = x509.Name(
        [] if profile == "whole" else [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Works")]
    )
    made = device(tmp_path, shown)
    made.san = [x509.DNSName("pump-7.example.com")]
    ledger = Ledger(server, path=path(profile))
    answer = made.enroll(
        server, path(profile), with_certificate=True, body=made.body(made.csr(shown))
    )
    assert_refused(answer, 403, "IDENTITY_BINDING")
    ledger.expect(mismatch(profile))


def test_a_password_binds_to_no_name(server: RunningServer, tmp_path: Path) -> None:
    assert Device(tmp_path).enroll(server, path("whole"), password=PASSWORD).status == 200
