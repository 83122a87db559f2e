"""Registration authorities enroll for others, and nobody else can pass for one (est §3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.domain.audit import AuditAction, Counter, Outcome
from certctl.domain.certificates import CertificateStatus
from tests.harness.device import Device
from tests.harness.http import Response, fetch, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.records import Change, Ledger, Refused
from tests.harness.server import configured_server
from tests.security.enrollment import assert_refused

CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
PASSWORD = "corp-password-0001"

_numbers = itertools.count()


class World:
    """A server whose CA is ours, and everybody who might say to be an authority."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ca, factory = ForeignCA("our CA"), ForeignCA("factory")
        impostor = ForeignCA("our CA")
        both = (CMC_RA, ExtendedKeyUsageOID.CLIENT_AUTH)
        self.ra = ca.equip(self._device("ra"), usages=(CMC_RA,))
        self.ra_with_both = ca.equip(self._device("ra-both"), usages=both)
        self.expired = ca.equip(self._device("expired"), usages=both, days=(-30, -1))
        self.early = ca.equip(self._device("early"), usages=both, days=(1, 30))
        self.of_impostor = impostor.equip(self._device("of-impostor"), usages=both)
        self.of_factory = factory.equip(self._device("of-factory"), usages=both)
        self.unlisted = factory.equip(self._device("unlisted"), usages=(CMC_RA,))
        listed = [self.ra, self.ra_with_both, self.expired, self.early]
        listed += [self.of_impostor, self.of_factory]
        ra_file = directory / "ra.pem"
        ra_file.write_bytes(b"".join(each.certificate_file.read_bytes() for each in listed))
        key_file = directory / "ca.key"
        key_file.write_bytes(
            ca.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key_file.chmod(0o600)
        ca_file = ca.bundle(directory / "ca.pem")
        settings = {
            "EST_PROFILES": "corp,iot,line",
            "ISSUER_ISS_LOCAL_CA_CERT_PATH": str(ca_file),
            "ISSUER_ISS_LOCAL_CA_KEY_PATH": str(key_file),
        }
        bundle = str(factory.bundle(directory / "factory.pem"))
        for infix in ("EST_PROFILE_CORP_", "EST_PROFILE_IOT_", "EST_PROFILE_LINE_"):
            settings |= {
                f"{infix}ISSUER_ID": "iss-local",
                f"{infix}ALLOWED_AUTH_MODES": "mtls,basic",
                f"{infix}ENROLLMENT_PASSWORD": PASSWORD + infix,
                f"{infix}MTLS_ENABLED": "true",
                f"{infix}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": bundle,
                f"{infix}IDENTITY_BINDING": "subject",
            }
        settings["EST_PROFILE_CORP_RA_CERTIFICATES"] = str(ra_file)
        settings["EST_PROFILE_LINE_RA_CERTIFICATES"] = str(ra_file)
        settings["EST_PROFILE_LINE_ON_REENROLL"] = "revoke_old"
        self.server = configured_server(directory, settings)
        self.server.ca_file = ca_file

    def _device(self, common_name: str) -> Device:
        return Device(self.directory, common_name)

    def new_device(self) -> Device:
        return self._device(f"device-{next(_numbers)}")

    def ask(
        self, shown: Device, device: Device, operation: str = "simpleenroll", profile: str = "corp"
    ) -> Response:
        """``shown`` asks for ``device``."""
        context = tls_context(
            self.server.ca_file, certificate=shown.certificate_file, key=shown.key_file
        )
        path = f"/.well-known/est/{profile}/{operation}"
        return fetch(self.server, "POST", path, body=device.body(), context=context)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("ra"))
    with made.server:
        yield made


def ledger_of(world: World, profile: str = "corp") -> Ledger:
    return Ledger(world.server, path=f"/.well-known/est/{profile}/simpleenroll")


def no_credential(reason: str, profile: str = "corp") -> Refused:
    return Refused(
        action=AuditAction.AUTH_FAILED_MTLS,
        reason=reason,
        counter=Counter.AUTH_FAILED_MTLS,
        profile=profile,
    )


@pytest.mark.parametrize("who", ["ra", "ra_with_both"])
def test_it_enrolls_and_renews_for_others_and_both_are_on_record(world: World, who: str) -> None:
    authority: Device = getattr(world, who)
    device = world.new_device()
    ledger = ledger_of(world)
    answer = world.ask(authority, device)
    assert answer.status == 200, answer.text
    renewal = Device(world.directory, device.common_name)
    answer = world.ask(authority, renewal, "simplereenroll")
    assert answer.status == 200, answer.text
    change = ledger.expect(issued=2)
    for event in change.events:
        assert event.details["registration_authority"] == f"CN={authority.common_name}"
        assert event.client_certificate_subject == f"CN={authority.common_name}"
        assert event.details["subject"] == f"CN={device.common_name}"
    first, second = (event.resource_id for event in change.events)
    records = world.server.records()
    renewed = records.certificate(second)
    records.close()
    assert renewed is not None
    assert renewed.renews == first


def test_what_it_renews_is_superseded_where_the_profile_says_so(world: World) -> None:
    device = world.new_device()
    assert world.ask(world.ra, device, profile="line").status == 200
    renewal = Device(world.directory, device.common_name)
    answer = world.ask(world.ra, renewal, "simplereenroll", "line")
    assert answer.status == 200, answer.text
    records = world.server.records()
    mine = [
        each
        for each in records.certificates(limit=1_000)
        if each.subject == f"CN={device.common_name}"
    ]
    records.close()
    assert sorted(each.status for each in mine) == ["revoked", "valid"]
    [old] = [each for each in mine if each.status is CertificateStatus.REVOKED]
    assert old.revocation_reason == "superseded"


def test_what_is_not_on_record_it_cannot_renew(world: World) -> None:
    ledger = ledger_of(world)
    answer = world.ask(world.ra, world.new_device(), "simplereenroll")
    assert_refused(answer, 403, "no valid certificate")
    change = ledger.expect(
        Refused(
            action=AuditAction.SIMPLE_REENROLL_FAILED,
            reason="nothing_to_renew",
            counter=Counter.CSR_POLICY_VIOLATION,
            profile="corp",
        )
    )
    assert_names_the_authority(change, world.ra)


@pytest.mark.parametrize("case", ["policy, by the worker", "weak key, by the authority", "body"])
def test_its_refusals_name_it(world: World, case: str) -> None:
    ledger = ledger_of(world)
    policy = AuditAction.CSR_POLICY_VIOLATION
    if case == "body":
        refused = Refused(
            action=AuditAction.SIMPLE_ENROLL_FAILED,
            reason="csr_invalid",
            counter=Counter.CSR_INVALID,
            profile="corp",
        )
        device: Device = NoCsr(world.directory, "no-csr")
    elif case.startswith("policy"):
        refused = Refused(
            action=policy, reason="name", counter=Counter.CSR_POLICY_VIOLATION, profile="corp"
        )
        device = world.new_device()
        device.san = [x509.DNSName("*.example")]
    else:
        refused = Refused(
            action=policy, reason="weak_key", counter=Counter.CSR_POLICY_VIOLATION, profile="corp"
        )
        first = world.new_device()
        assert world.ask(world.ra, first).status == 200
        ledger = ledger_of(world)
        device = Device(world.directory, f"{first.common_name}-again", key=first.key)
    assert world.ask(world.ra, device).status in (400, 403)
    assert_names_the_authority(ledger.expect(refused), world.ra)


class NoCsr(Device):
    def body(self, csr: x509.CertificateSigningRequest | None = None) -> bytes:  # noqa: ARG002
        return b"MAMCAQE="


def assert_names_the_authority(change: Change, authority: Device) -> None:
    (event,) = (each for each in change.events if each.outcome is Outcome.FAILURE)
    assert authority.certificate is not None
    assert event.details["registration_authority"] == f"CN={authority.common_name}"
    assert event.client_certificate_subject == f"CN={authority.common_name}"
    assert event.client_certificate_serial == f"{authority.certificate.serial_number:x}"
    assert event.auth_mode == "mtls"
    assert event.actor == f"est-client:CN={authority.common_name}"


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("expired", "expired"),
        ("early", "not_yet_valid"),
        ("of_impostor", "untrusted"),
        ("of_factory", "untrusted"),
        # The factory is in the bundle, but that usage alone is no client's.
        ("unlisted", "wrong_usage"),
    ],
)
def test_who_is_none_asks_for_nobody(world: World, who: str, reason: str) -> None:
    ledger = ledger_of(world)
    assert_refused(world.ask(getattr(world, who), world.new_device()), 401)
    [event] = ledger.expect(no_credential(reason)).events
    assert event.details["subject"] == f"CN={who.replace('_', '-')}"


def test_in_another_profile_it_is_none(world: World) -> None:
    ledger = ledger_of(world, "iot")
    assert_refused(world.ask(world.ra, world.new_device(), profile="iot"), 401)
    ledger.expect(no_credential("untrusted", "iot"))


def test_a_device_cannot_ask_for_another(world: World) -> None:
    device = world.new_device()
    assert world.ask(world.ra, device).status == 200
    other = world.new_device()
    enrolled = other.enroll(
        world.server,
        "/.well-known/est/corp/simpleenroll",
        password=PASSWORD + "EST_PROFILE_CORP_",
    )
    assert enrolled.status == 200
    ledger = ledger_of(world)
    answer = world.ask(other, Device(world.directory, device.common_name), "simplereenroll")
    assert_refused(answer, 403, "subject")
    ledger.expect(
        Refused(
            action=AuditAction.SIMPLE_REENROLL_FAILED,
            reason="subject_changed",
            counter=Counter.CSR_POLICY_VIOLATION,
            profile="corp",
        )
    )
