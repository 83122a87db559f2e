"""The listener's own certificate, issued by the local CA and renewed by itself (config §1).

Recorded like any other certificate before the file is written. The key stays the same
at a renewal, so that replacing the one certificate file is the whole swap.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.commands import SYSTEM
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ids import NewId
from certctl.issuers.atomic_write import write_file
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import load_key, write_key
from certctl.settings.schema import ServerSettings
from certctl.wiring.own_certificate import own_record

LIFETIME_DAYS = 90
RENEW_BEFORE_US = 30 * DAY_US
KEY_FILE = "server.key"
CERTIFICATE_FILE = "server.pem"


def server_names(server: ServerSettings) -> tuple[str, ...]:
    """Names and addresses clients may reach this listener by."""
    names = ["localhost", "127.0.0.1", "::1"]
    host = socket.gethostname().lower()
    if host and host.isascii() and host.replace("-", "").replace(".", "").isalnum():
        names.append(host)
    if server.public_host:
        names.append(server.public_host)
    if server.host not in ("0.0.0.0", "::", ""):
        names.append(server.host)
    return tuple(dict.fromkeys(names))


def is_due(directory: Path, names: tuple[str, ...], ca: LocalCA, *, now_us: int) -> bool:
    """Missing, unusable, of another CA, for other names, or within 30 days of its end.

    Raises:
        KeyFileRefused: the key is open to others or no key: for a person to look at.
    """
    key_path = directory / KEY_FILE
    if not key_path.exists():
        return True
    key = load_key(key_path, None)
    try:
        certificate = x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes())
        issuer = x509.load_der_x509_certificate(ca.ca_chain()[0])
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with our own file, a new one mends it
        return True
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        return True
    if certificate.not_valid_after_utc.timestamp() * SECOND_US < now_us + RENEW_BEFORE_US:
        return True
    return not _covers(certificate, names)


def issue(
    directory: Path, names: tuple[str, ...], ca: LocalCA, *, now_us: int, new_id: NewId
) -> tuple[CertificateRecord, AuditEvent, bytes]:
    """Make key (once) and certificate: what to record, and the PEM to write afterwards."""
    key_path = directory / KEY_FILE
    if not key_path.exists():
        write_key(key_path, ec.generate_private_key(ec.SECP256R1()), None)
    spki = _spki(load_key(key_path, None).public_key())
    signed = ca.issue_server_certificate(names, spki, now_us=now_us, days=LIFETIME_DAYS)
    certificate = x509.load_der_x509_certificate(signed.der)
    record = own_record(signed, ca, now_us=now_us, certificate_id=new_id())
    event = event_by(
        SYSTEM,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="certificate",
        resource_id=record.id,
        details={
            "what": "server certificate issued",
            "serial": record.serial,
            "sans": list(names),
        },
    )
    # The chain without its self-signed root: peers have that, and it costs every handshake.
    chain = [certificate, *map(x509.load_der_x509_certificate, ca.ca_chain())]
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in chain if c.issuer != c.subject)
    return record, event, pem


def write(directory: Path, pem: bytes) -> None:
    write_file(directory / CERTIFICATE_FILE, pem, mode=0o644, replace=True)


def _covers(certificate: x509.Certificate, names: tuple[str, ...]) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    present = {*found.get_values_for_type(x509.DNSName)}
    addresses = set(found.get_values_for_type(x509.IPAddress))
    for name in names:
        try:
            if ip_address(name) not in addresses:
                return False
        except ValueError:
            if name not in present:
                return False
    return True


def _spki(public_key: object) -> bytes:
    return public_key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
