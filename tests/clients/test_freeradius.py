"""A network that lets devices in by their certificates (EAP-TLS), and keeps revoked ones out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.clients.radius import Radius
from tests.clients.tools import need
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.published import CRL_SECONDS, PlainPort, eventually, revoke
from tests.harness.server import RunningServer, configured_server, free_port

pytestmark = [pytest.mark.clients]

PASSWORD = "wifi-password-0001"
ENROLL = "/.well-known/est/wifi/simpleenroll"


@pytest.fixture(autouse=True)
def programs() -> None:
    need("/usr/sbin/freeradius", package="freeradius")
    need("eapol_test", package="eapoltest")


@pytest.fixture
def plain() -> PlainPort:
    return PlainPort(port=free_port())


@pytest.fixture
def wifi(tmp_path: Path, plain: PlainPort) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "wifi",
        "EST_PROFILE_WIFI_ISSUER_ID": "iss-local",
        "EST_PROFILE_WIFI_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_WIFI_ENROLLMENT_PASSWORD": PASSWORD,
        "PKI_HTTP_PORT": str(plain.port),
        "CRL_DEBOUNCE": "1s",
    }
    with configured_server(tmp_path, settings) as running:
        plain.settle()
        yield running


def test_a_device_is_let_in_until_it_is_revoked(
    wifi: RunningServer, plain: PlainPort, tmp_path: Path
):
    device, other = Device(tmp_path, "laptop-1"), Device(tmp_path, "laptop-2")
    for each in (device, other):
        assert each.enroll(wifi, ENROLL, password=PASSWORD).status == 200
    assert device.certificate is not None
    theirs = ForeignCA("RADIUS CA")
    ca = theirs.bundle(tmp_path / "radius-ca.pem")
    gate = theirs.equip(Device(tmp_path, "radius"), usages=(ExtendedKeyUsageOID.SERVER_AUTH,))

    def with_crl() -> bytes:
        """What an operator's script fetches for FreeRADIUS every few minutes."""
        crl = plain.fetch("GET", "/crls/iss-local.crl?format=pem")
        assert crl.status == 200
        return wifi.ca_file.read_bytes() + crl.body

    with Radius(home=tmp_path / "before", server=gate, trusted=with_crl()) as radius:
        let_in = radius.tried_by(device, ca=ca)
        assert let_in.code == 0, let_in.said + radius.log()
        assert "SUCCESS" in let_in.said

    serial = device.certificate.serial_number
    revoke(wifi, serial, "keyCompromise")

    def listed() -> bool:
        # Connections are spread over both workers; each has it within a second.
        crls = [plain.crl() for _ in range(10)]
        return all(crl.get_revoked_certificate_by_serial_number(serial) for crl in crls)

    assert eventually(listed, CRL_SECONDS)
    with Radius(home=tmp_path / "after", server=gate, trusted=with_crl()) as radius:
        kept_out = radius.tried_by(device, ca=ca)
        assert kept_out.code != 0, kept_out.said
        assert "certificate revoked" in radius.log()
        still = radius.tried_by(other, ca=ca)
        assert still.code == 0, still.said + radius.log()
