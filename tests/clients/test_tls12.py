"""Clients that speak no TLS 1.3, at the listener for old devices (``TLS12_PORT``).

curl and strongSwan bind nothing; Bouncy Castle puts tls-unique into its CSR; the openssl
command gives reference values for the exporter.
"""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.profiles import AuthMode, Operation
from tests.clients import test_curl_openssl as curl
from tests.clients import test_strongswan as strongswan
from tests.clients.books import books, granted, refused
from tests.clients.identities import load
from tests.clients.java import EXIT_REFUSED, JavaDevice
from tests.clients.tools import RUN_SECONDS, need
from tests.harness.bound_client import CHALLENGE_PASSWORD, as_text, csr
from tests.harness.device import Device, certificates_of, name
from tests.harness.http import basic
from tests.harness.raw import post
from tests.harness.server import RunningServer, configured_server, free_port

pytestmark = pytest.mark.clients

PASSWORD = "a-password-of-enough-letters"
ENROLL = "/.well-known/est/demo/simpleenroll"
KEYING_MATERIAL = re.compile(r"Keying material: ([0-9A-F]{64})")


def settings(old_port: int, **more: str) -> dict[str, str]:
    profile = {
        "ISSUER_ID": "iss-local",
        "ALLOWED_AUTH_MODES": "basic,mtls",
        "MTLS_OWN_ONLY": "true",
        "ENROLLMENT_PASSWORD": PASSWORD,
    } | more
    return {
        "TLS12_PORT": str(old_port),
        "EST_PROFILES": "demo",
        "EST_ROOT_PROFILE": "demo",
        **{f"EST_PROFILE_DEMO_{key}": value for key, value in profile.items()},
    }


def seen_from(server: RunningServer, port: int) -> RunningServer:
    """The same server for clients that are sent to another port."""
    other = copy.copy(server)
    other.port = port
    return other


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    port = free_port()
    with configured_server(tmp_path_factory.mktemp("old"), settings(port)) as running:
        yield seen_from(running, port)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Requires a binding."""
    port = free_port()
    required = settings(port, CHANNEL_BINDING_REQUIRED="true")
    with configured_server(tmp_path_factory.mktemp("strict"), required) as running:
        yield seen_from(running, port)


def last_event(server: RunningServer) -> tuple[str, object]:
    event = books(server).events[-1]
    return event.tls_version, event.details["channel_binding"]


def test_curl_enrolls_and_renews(old: RunningServer, tmp_path: Path) -> None:
    need("curl", package="curl")
    device = Device(tmp_path, "curl-12")
    with granted(old, Operation.SIMPLEENROLL, AuthMode.BASIC):
        ran = curl.post(
            old, tmp_path, "simpleenroll", device, "--tls-max", "1.2", "-u", f"c:{PASSWORD}"
        )
        assert ran.code == 0, ran.said
    (device.certificate,) = certificates_of(ran.output.rsplit(b"\n", 1)[0])
    assert last_event(old) == ("TLSv1.2", "none")
    with granted(old, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        ran = curl.post(
            old, tmp_path, "simplereenroll", device, "--tls-max", "1.2",
            "--cert", device.certificate_file, "--key", device.key_file,
        )  # fmt: skip
        assert ran.code == 0, ran.said
    assert last_event(old) == ("TLSv1.2", "none")


def test_strongswan_enrolls_and_renews(old: RunningServer, tmp_path: Path) -> None:
    need("pki", package="strongswan-pki")
    need(strongswan.PLUGINS, package="libstrongswan-standard-plugins")
    key_file, request = strongswan.request(tmp_path, "strongswan-12")
    with granted(old, Operation.SIMPLEENROLL, AuthMode.BASIC):
        ran = strongswan.enroll(old, tmp_path, request, f"s:{PASSWORD}", newest="1.2")
        first = strongswan.issued(ran)
    assert last_event(old) == ("TLSv1.2", "none")
    certificate_file = tmp_path / "first.pem"
    certificate_file.write_bytes(first.public_bytes(Encoding.PEM))
    with granted(old, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        strongswan.issued(
            strongswan.renew(
                old, tmp_path, request, certificate=certificate_file, key=key_file, newest="1.2"
            )
        )
    assert last_event(old) == ("TLSv1.2", "none")


def test_bouncy_castle_enrolls_and_renews_bound_by_tls_unique(
    class_path: str, strict: RunningServer, tmp_path: Path
) -> None:
    java = JavaDevice(class_path, strict, tmp_path)
    with granted(strict, Operation.SIMPLEENROLL, AuthMode.BASIC):
        ran = java(
            "enroll", subject="CN=java-12", user="java-12", password=PASSWORD,
            key="first.key", out="first.pem", tls="TLSv1.2", bound="yes",
        )  # fmt: skip
        assert ran.code == 0, ran.said
    assert "protocol=TLSv1.2" in ran.said
    assert "binding=tls-unique octets=12" in ran.said
    assert load(tmp_path / "first.pem").subject == name("java-12")
    assert last_event(strict) == ("TLSv1.2", "tls-unique")

    with granted(strict, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        ran = java(
            "renew", oldkey="first.key", oldcert="first.pem",
            key="second.key", out="second.pem", tls="TLSv1.2", bound="yes",
        )  # fmt: skip
        assert ran.code == 0, ran.said
    assert last_event(strict) == ("TLSv1.2", "tls-unique")


def test_bouncy_castle_unbound_is_refused_where_it_must_bind(
    class_path: str, strict: RunningServer, tmp_path: Path
) -> None:
    java = JavaDevice(class_path, strict, tmp_path)
    with refused(
        strict,
        AuditAction.AUTH_FAILED_CHANNEL_BINDING,
        counter=Counter.AUTH_FAILED_CHANNEL_BINDING,
        reason="missing",
    ):
        ran = java(
            "enroll", subject="CN=unbound", user="u", password=PASSWORD,
            key="new.key", out="new.pem", tls="TLSv1.2",
        )  # fmt: skip
    assert ran.code == EXIT_REFUSED, ran.said
    assert "refused status=400" in ran.said
    assert not (tmp_path / "new.pem").exists()


def test_the_exporter_is_what_openssl_says_it_is(strict: RunningServer) -> None:
    """The CSR is made from the value that the openssl command prints of its connection.

    Only TLS 1.3: on TLS 1.2 the command exports without a context, which RFC 5705 §4
    makes another value than the empty context of RFC 9266.
    """
    command = [need("openssl", package="openssl"), "s_client", "-tls1_3", "-ign_eof"]
    command += ["-connect", f"127.0.0.1:{strict.port}", "-CAfile", str(strict.ca_file)]
    command += ["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"]
    with (
        granted(strict, Operation.SIMPLEENROLL, AuthMode.BASIC),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client,
    ):
        assert client.stdin
        assert client.stdout
        said = ""
        while (found := KEYING_MATERIAL.search(said)) is None:
            line = client.stdout.readline()
            assert line, said
            said += line.decode()
        exporter = bytes.fromhex(found[1])
        request = csr("openssl-13", as_text(CHALLENGE_PASSWORD, exporter))
        authorization = f"Authorization: {basic('o', PASSWORD)['Authorization']}"
        client.stdin.write(post(ENROLL, request, authorization))
        client.stdin.flush()
        answer, _ = client.communicate(timeout=RUN_SECONDS)
    assert b"HTTP/1.1 200 OK" in answer, answer
    assert last_event(strict) == ("TLSv1.3", "tls-exporter")
