"""Hostile client certificates: each is refused with its reason, and nobody else notices.

TLS accepts any certificate whose key the client holds; the profile judges it (est §3).
"""

from __future__ import annotations

import itertools
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from certctl.domain.audit import AuditAction, Counter
from certctl.web.refusal_words import CERTIFICATE
from certctl.wire.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, encode
from tests.harness.device import Device
from tests.harness.http import basic, tls_context
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, Refused
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server
from tests.security.enrollment import assert_refused
from tests.unit.trust import pki

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
PASSWORD = "corp-password-0001"

_numbers = itertools.count()


def make(common_name: str = "device", **settings: Any) -> pki.Held:
    """As ``pki.make``, in the time of this machine's clock."""
    settings.setdefault("not_before", NOW - DAY)
    settings.setdefault("not_after", NOW + 30 * DAY)
    return pki.make(common_name, **settings)


def make_ca(common_name: str, **settings: Any) -> pki.Held:
    settings.setdefault("ca", True)
    settings.setdefault("extensions", [(pki.usage(key_cert_sign=True), True)])
    return make(common_name, **settings)


def crl(issuer: pki.Held, *revoked: pki.Held) -> bytes:
    return pki.make_crl(issuer, *revoked, last_update=NOW - DAY, next_update=NOW + DAY)


ROOT = make_ca("works root")
BELOW = make_ca("works factory 1", issuer=ROOT)
REVOKED_CA = make_ca("works factory 2", issuer=ROOT)
REVOKED_LEAF = make("stolen device", issuer=ROOT)
LIMITED = make_ca(
    "only example.com",
    issuer=ROOT,
    extensions=[
        (pki.usage(key_cert_sign=True), True),
        (
            x509.NameConstraints(
                permitted_subtrees=[x509.DNSName("example.com")], excluded_subtrees=None
            ),
            True,
        ),
    ],
)
STRICT_ROOT = make_ca("strict root")
IOT_ROOT = make_ca("iot root")
SERVER_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
HUGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"x" * 40_000)


def with_dns(name: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.SubjectAlternativeName([x509.DNSName(name)]), False)]


def twenty() -> list[pki.Held]:
    chain = [ROOT]
    for number in range(20):
        chain.append(make_ca(f"level {number}", issuer=chain[-1]))
    return [make(issuer=chain[-1]), *reversed(chain[1:])]


def loop() -> list[pki.Held]:
    """Two CAs that signed each other, and no way out of them."""
    one, two = make_ca("one"), make_ca("two")
    one_by_two = make_ca("one", key=one.key, issuer=two)
    two_by_one = make_ca("two", key=two.key, issuer=one)
    return [make(issuer=one), one_by_two, two_by_one]


Case = tuple[str, str, Callable[[], Sequence[pki.Held]]]

# Profile, reason, and what is shown (leaf first).
REFUSED: dict[str, Case] = {
    "expired": (
        "corp",
        "expired",
        lambda: [make(issuer=ROOT, not_before=NOW - 9 * DAY, not_after=NOW - DAY)],
    ),
    "not yet valid": ("corp", "not_yet_valid", lambda: [make(issuer=ROOT, not_before=NOW + DAY)]),
    "revoked by the CRL": ("corp", "revoked", lambda: [REVOKED_LEAF]),
    "revoked intermediate": (
        "corp",
        "revoked",
        lambda: [make(issuer=REVOKED_CA), REVOKED_CA],
    ),
    "other CA of the same name": (
        "corp",
        "untrusted",
        lambda: [make(issuer=make_ca("works root"))],
    ),
    "other CA of the same name, brought along": (
        "corp",
        "untrusted",
        lambda: [make(issuer=(other := make_ca("works root"))), other],
    ),
    "CA of another profile": ("corp", "untrusted", lambda: [make(issuer=IOT_ROOT), IOT_ROOT]),
    "self-signed": ("corp", "untrusted", lambda: [make()]),
    "only for servers": (
        "corp",
        "wrong_usage",
        lambda: [make(issuer=ROOT, extensions=[(SERVER_ONLY, False)])],
    ),
    "a CA as client": ("corp", "wrong_usage", lambda: [BELOW]),
    "20 intermediates": ("corp", "untrusted", twenty),
    "a loop": ("corp", "untrusted", loop),
    "outside name constraints": (
        "corp",
        "untrusted",
        lambda: [make(issuer=LIMITED, extensions=with_dns("a.example.org")), LIMITED],
    ),
    "huge": ("corp", "untrusted", lambda: [make(issuer=ROOT, extensions=[(HUGE, False)])]),
    "no CRL where one must be": (
        "strict",
        "no_crl",
        lambda: [make(issuer=(below := make_ca("strict below", issuer=STRICT_ROOT))), below],
    ),
}

ACCEPTED: dict[str, tuple[str, Callable[[], Sequence[pki.Held]]]] = {
    "no EKU at all": ("corp", lambda: [make(issuer=ROOT)]),
    "below an intermediate": ("corp", lambda: [make(issuer=BELOW), BELOW]),
    "inside name constraints": (
        "corp",
        lambda: [make(issuer=LIMITED, extensions=with_dns("a.example.com")), LIMITED],
    ),
    "with its CRL at hand": ("strict", lambda: [make(issuer=STRICT_ROOT)]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("hostile")
    bundles = {
        "corp": ROOT.pem + crl(ROOT, REVOKED_LEAF, REVOKED_CA),
        "strict": STRICT_ROOT.pem + crl(STRICT_ROOT),
        "iot": IOT_ROOT.pem,
    }
    settings = {"EST_PROFILES": ",".join(bundles), "EST_PROFILE_STRICT_MTLS_CRL_POLICY": "hard"}
    for profile, content in bundles.items():
        path = directory / f"{profile}.pem"
        path.write_bytes(content)
        infix = f"EST_PROFILE_{profile.upper()}_"
        settings |= {
            f"{infix}ISSUER_ID": "iss-local",
            f"{infix}ALLOWED_AUTH_MODES": "mtls,basic",
            f"{infix}ENROLLMENT_PASSWORD": f"{profile}-{PASSWORD}",
            f"{infix}MTLS_ENABLED": "true",
            f"{infix}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(path),
        }
    with configured_server(directory, settings) as running:
        yield running


def context_of(server: RunningServer, directory: Path, chain: Sequence[pki.Held]) -> ssl.SSLContext:
    """Shows exactly this chain; only the first one's key is held."""
    stem = directory / f"shown-{next(_numbers)}"
    certificates, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    certificates.write_bytes(b"".join(each.pem for each in chain))
    key.write_bytes(chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tls_context(server.ca_file, certificate=certificates, key=key)


def path_of(profile: str, operation: str = "simpleenroll") -> str:
    return f"/.well-known/est/{profile}/{operation}"


def refusal(profile: str, reason: str, times: int = 1) -> Refused:
    return Refused(
        action=AuditAction.AUTH_FAILED_MTLS,
        reason=reason,
        counter=Counter.AUTH_FAILED_MTLS,
        profile=profile,
        times=times,
    )


def new_device(directory: Path) -> Device:
    return Device(directory, f"device-{next(_numbers)}")


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_reason(server: RunningServer, tmp_path: Path, case: str) -> None:
    profile, reason, shown = REFUSED[case]
    chain = shown()
    ledger = Ledger(server, path=path_of(profile))
    body = new_device(tmp_path).body()
    with RawClient(server, context=context_of(server, tmp_path, chain)) as client:
        client.send(post(path_of(profile), body))
        answer = client.answer()
    assert_refused(answer, 401, CERTIFICATE[reason].what, CERTIFICATE[reason].mend)
    assert answer.headers["www-authenticate"] == 'Basic realm="est-enrollment"'
    [event] = ledger.expect(refusal(profile, reason)).events
    if case != "huge":  # which is not read at all
        leaf = chain[0].certificate
        assert event.details["subject"] == leaf.subject.rfc4514_string()
        assert event.details["issuer"] == leaf.issuer.rfc4514_string()
        assert event.client_certificate_serial == f"{leaf.serial_number:x}"


@pytest.mark.parametrize("case", ACCEPTED)
def test_its_good_neighbour_is_enrolled(server: RunningServer, tmp_path: Path, case: str) -> None:
    profile, shown = ACCEPTED[case]
    ledger = Ledger(server, path=path_of(profile))
    with RawClient(server, context=context_of(server, tmp_path, shown())) as client:
        client.send(post(path_of(profile), new_device(tmp_path).body()))
        answer = client.answer()
    assert answer.status == 200, answer.text
    ledger.expect(issued=1)


def test_a_refused_certificate_leaves_the_connection_and_the_password_usable(
    server: RunningServer, tmp_path: Path
) -> None:
    """Never a dead handshake: what the certificate does not open, the password may."""
    right = "Authorization: " + basic("device", f"corp-{PASSWORD}")["Authorization"]
    ledger = Ledger(server, path=path_of("corp"))
    with RawClient(server, context=context_of(server, tmp_path, [make()])) as client:
        body = new_device(tmp_path).body()
        client.send(post(path_of("corp"), body))
        assert client.answer().status == 401
        client.send(post(path_of("corp"), body, right))
        assert client.answer().status == 200
    ledger.expect(refusal("corp", "untrusted"), issued=1)


def test_somebody_elses_certificate_without_its_key_ends_the_handshake(
    server: RunningServer, tmp_path: Path
) -> None:
    """A key file that names the victim's public key beside the thief's private one."""
    victim, thief = make("victim", issuer=ROOT), ec.generate_private_key(ec.SECP256R1())
    public = victim.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = thief.private_numbers().private_value.to_bytes(32, "big")
    point = encode(0xA1, encode(BIT_STRING, b"\x00", public))
    forged = encode(SEQUENCE, encode(INTEGER, b"\x01"), encode(OCTET_STRING, secret), point)
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    der = encode(SEQUENCE, encode(INTEGER, b"\x00"), algorithm, encode(OCTET_STRING, forged))
    key, certificate = tmp_path / "forged.key", tmp_path / "victim.crt"
    key.write_text(ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "PRIVATE KEY"))
    certificate.write_bytes(victim.pem)
    context = tls_context(server.ca_file, certificate=certificate, key=key)
    ledger = Ledger(server, path=path_of("corp"))

    def enroll() -> None:
        with RawClient(server, context=context) as client:
            client.send(post(path_of("corp"), new_device(tmp_path).body()))
            client.answer()

    with pytest.raises(ssl.SSLError, match=r"DECRYPT_ERROR|decrypt error"):
        enroll()
    ledger.expect_nothing()


def test_revoked_a_moment_ago_is_known_to_all_workers(
    server: RunningServer, tmp_path: Path
) -> None:
    device = new_device(tmp_path)
    assert device.enroll(server, path_of("corp"), password=f"corp-{PASSWORD}").status == 200
    assert device.certificate is not None
    renew = post(path_of("corp", "simplereenroll"), device.body())
    context = tls_context(server.ca_file, certificate=device.certificate_file, key=device.key_file)
    clients = [RawClient(server, context=context) for _ in range(8)]
    try:
        # Connections from before, with what they know.
        clients[0].send(renew)
        assert clients[0].answer().status == 200
        ledger = Ledger(server, path=path_of("corp"))
        done = subprocess.run(
            [PROGRAM, "certificates", "revoke", f"{device.certificate.serial_number:x}"],
            env=clean_environment(server.environment),
            cwd=server.directory,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for client in clients:
            client.send(renew)
            assert_refused(client.answer(), 401, "revoked")
    finally:
        for client in clients:
            client.close()
    ledger.expect(refusal("corp", "revoked", times=len(clients)))
