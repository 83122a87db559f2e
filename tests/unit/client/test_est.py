"""The EST client and its commands before servers that our own is not: pending, serverkeygen,
answers that cannot be used.
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certctl.client.address import Address
from certctl.client.failures import BadInput
from certctl.client.http import MAX_BODY
from certctl.wire.pkcs7 import certs_only
from tests.harness.faulty_est import FaultyServer, Said, cas, certified
from tests.harness.shell import Shell

ROOT = certified("est root", ca=True, days=(-1, 3650))
ISSUE = Said(200, b"issue")
NEW = ("--new-key", "p256", "--cn", "device-1", "--out", "device.pem")


@dataclass
class Site:
    server: FaultyServer
    shell: Shell

    def say(self, name: str, *said: Said) -> None:
        self.server.answers[name] = list(said)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "root.pem").write_bytes(ROOT.certificate.public_bytes(serialization.Encoding.PEM))
    server = FaultyServer(leaf=certified("est", ROOT), chain=[], answers={}, issuer=ROOT)
    with server.running(tmp_path) as port:
        variables = {
            "CERTCTL_SERVER_URL": f"https://localhost:{port}",
            "CERTCTL_SERVER_CA_BUNDLE_PATH": str(tmp_path / "root.pem"),
        }
        yield Site(server, Shell(tmp_path, variables))


def test_it_waits_for_an_approval_with_the_same_request(site: Site):
    wait = Said(202, b"wait", {"Retry-After": "1"})
    site.say("simpleenroll", wait, wait, ISSUE)
    done = site.shell.run("est", "enroll", "--wait", *NEW)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().count("Waiting for approval") == 2
    sent = {body for _, _, body in site.server.received}
    assert len(sent) == 1
    assert (site.shell.directory / "device.pem").exists()


@pytest.mark.parametrize("status", [404, 501])
@pytest.mark.parametrize("name", ["serverkeygen", "fullcmc"])
def test_what_is_not_offered(site: Site, name: str, status: int):
    site.say("simpleenroll", ISSUE)
    site.say(name, Said(status))
    (site.shell.directory / "r.csr").write_bytes(request())
    told = site.shell.bad(3, "est", name, "--csr", "r.csr", "--out", "out")
    assert f"does not offer {name}" in told


def request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(ROOT.certificate.subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def two_parts(key_type: str, key: bytes, certificate: bytes) -> Said:
    parts = [
        f"--b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + base64.encodebytes(body)
        for kind, body in (
            (key_type, key),
            ("application/pkcs7-mime; smime-type=certs-only", certificate),
        )
    ]
    return Said(
        200,
        b"\r\n".join([*parts, b"--b--\r\n"]),
        {"Content-Type": "multipart/mixed; boundary=b"},
    )


def test_a_key_made_by_a_server_is_kept_private(site: Site):
    made = certified("made", ROOT)
    pkcs8 = made.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    site.say("serverkeygen", two_parts("application/pkcs8", pkcs8, certs_only([made.der])))
    (site.shell.directory / "r.csr").write_bytes(request())
    site.shell.good("est", "serverkeygen", "--profile", "iot", "--csr", "r.csr", "--out", "p")
    key_file = site.shell.directory / "p.key.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert key.public_key() == made.key.public_key()
    pem = (site.shell.directory / "p.cert.pem").read_bytes()
    assert x509.load_pem_x509_certificate(pem) == made.certificate


def test_an_enveloped_key_stays_in_its_envelope(site: Site):
    made = certified("made", ROOT)
    kind = "application/pkcs7-mime; smime-type=server-generated-key"
    site.say("serverkeygen", two_parts(kind, b"\x30\x03envelope", certs_only([made.der])))
    (site.shell.directory / "r.csr").write_bytes(request())
    site.shell.good("est", "serverkeygen", "--csr", "r.csr", "--out", "p")
    envelope = site.shell.directory / "p.key.enveloped"
    assert envelope.read_bytes() == b"\x30\x03envelope"
    assert stat.S_IMODE(envelope.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Said(200, b"<html>"), "not base64"),
        (Said(200, b"AAAA"), "no PKCS#7"),
        (cas(), "holds no certificate"),
        (cas(certified("stranger")), "another key"),
        (Said(302, b"", {"Location": "https://elsewhere.example"}), "Redirects are not followed"),
        (Said(200, b"", {"Content-Length": "none"}), "not HTTP"),
        (Said(200, b"A" * (MAX_BODY + 1)), "longer than"),
        (Said(200, b"", {"Content-Length": "10"}), "not HTTP"),
    ],
    ids=["html", "garbage", "empty", "other key", "redirect", "framing", "long", "cut off"],
)
def test_an_answer_that_cannot_be_used_leaves_nothing_behind(site: Site, said: Said, told: str):
    site.say("simpleenroll", said)
    done = site.shell.run("est", "enroll", *NEW)
    assert done.returncode in (1, 7), done.stderr
    assert told in done.stderr.decode()
    assert not (site.shell.directory / "device.pem").exists()


def test_text_of_a_server_talks_no_terminal_into_anything(site: Site):
    site.say("simpleenroll", Said(400, b"\x1b]0;owned\x07 bad\r\x1b[2Jrequest\n" * 50))
    told = site.shell.bad(5, "est", "enroll", *NEW)
    assert "\x1b" not in told
    assert "\\u001b" in told
    assert len(told.splitlines()) < 20


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://",
        "https://a.example:99999",
        "https://u:p@a.example",
        "https://a.example/?q=1",
        "https://a.example/a b",
        "ftp://a.example",
        "https://[::1",
    ],
)
def test_what_is_no_url_of_a_server(url: str):
    with pytest.raises(BadInput):
        Address.of(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("a.example", "a.example", 443, ""),
        ("https://a.example:8443/", "a.example", 8443, ""),
        ("https://[::1]:8443/base/", "::1", 8443, "/base"),
    ],
)
def test_urls_are_taken_apart(url: str, host: str, port: int, path: str):
    assert Address.of(url) == Address(host=host, port=port, path=path)
