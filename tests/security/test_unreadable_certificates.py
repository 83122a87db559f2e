"""A client certificate that TLS lets in and that cannot be read is refused like any other."""

from __future__ import annotations

import ssl

from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from tests.harness.device import Device
from tests.harness.http import fetch, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.records import Ledger, Refused
from tests.security.enrollment import REENROLL, assert_refused

UNTRUSTED = Refused(
    action=AuditAction.AUTH_FAILED_MTLS, reason="untrusted", counter=Counter.AUTH_FAILED_MTLS
)
VERSION_3, VERSION_19 = bytes.fromhex("a003020102"), bytes.fromhex("a003020112")


def test_certificate_of_an_unknown_version_is_refused(server, tmp_path):
    device = ForeignCA("factory").equip(Device(tmp_path, "odd"))
    pem = device.certificate_file
    assert device.certificate
    der = device.certificate.public_bytes(Encoding.DER)
    pem.write_text(ssl.DER_cert_to_PEM_cert(der.replace(VERSION_3, VERSION_19, 1)))
    ledger = Ledger(server)
    context = tls_context(server.ca_file, certificate=pem, key=device.key_file)
    assert_refused(
        fetch(server, "POST", REENROLL, body=device.body(), context=context), 401, "certificate"
    )
    ledger.expect(UNTRUSTED)
