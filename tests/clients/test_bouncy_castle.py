"""Bouncy Castle's EST client (Java), over the JDK's TLS and at the label ``demo``."""

from __future__ import annotations

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.profiles import AuthMode, Operation
from tests.clients.books import granted, refused, state_of
from tests.clients.identities import load, own_device, password, strange_device
from tests.clients.java import EXIT_REFUSED, JavaDevice
from tests.clients.ways import every_way, protocol
from tests.harness.device import name

pytestmark = [pytest.mark.clients, every_way]


@pytest.fixture
def java(class_path, server, tmp_path):
    return JavaDevice(class_path, server, tmp_path)


def test_cacerts_are_the_servers(server, java, tmp_path):
    ran = java("cacerts", out="ca.pem")
    assert ran.code == 0, ran.said
    assert f"protocol={protocol(server)}" in ran.said
    assert "trusted=true" in ran.said
    assert load(tmp_path / "ca.pem") == load(server.ca_file)


def test_enroll_with_basic_and_renew_with_the_certificate(server, java, tmp_path):
    with granted(server, Operation.SIMPLEENROLL, AuthMode.BASIC):
        enrolled = java(
            "enroll", subject="CN=java-1", user="java-1", password=password(server),
            key="first.key", out="first.pem",
        )  # fmt: skip
        assert enrolled.code == 0, enrolled.said
    assert f"protocol={protocol(server)}" in enrolled.said
    first = load(tmp_path / "first.pem")
    assert first.subject == name("java-1")
    state = state_of(server, first)
    assert state is not None
    assert state.profile == "demo"

    with granted(server, Operation.SIMPLEREENROLL, AuthMode.MTLS):
        renewed = java(
            "renew", oldkey="first.key", oldcert="first.pem", key="second.key", out="second.pem"
        )
        assert renewed.code == 0, renewed.said
    second = load(tmp_path / "second.pem")
    assert second.subject == first.subject
    assert second.public_key() != first.public_key()


def test_wrong_password_is_refused(server, java, tmp_path):
    with refused(
        server,
        AuditAction.AUTH_FAILED_BASIC,
        counter=Counter.AUTH_FAILED_BASIC,
        reason="wrong_password",
    ):
        ran = java(
            "enroll", subject="CN=guesser", user="guesser", password=f"{password(server)}x",
            key="new.key", out="new.pem",
        )  # fmt: skip
    assert ran.code == EXIT_REFUSED, ran.said
    assert "refused status=401" in ran.said
    assert not (tmp_path / "new.pem").exists()


def test_certificate_of_another_ca_is_refused(server, java, tmp_path):
    stranger, chain = strange_device(tmp_path, "stranger")
    with refused(
        server,
        AuditAction.AUTH_FAILED_MTLS,
        counter=Counter.AUTH_FAILED_MTLS,
        reason="untrusted",
    ):
        ran = java("renew", oldkey=stranger.key_file, oldcert=chain, key="new.key", out="new.pem")
    assert ran.code == EXIT_REFUSED, ran.said
    assert "refused status=401" in ran.said
    assert not (tmp_path / "new.pem").exists()


def test_another_devices_certificate_is_refused(server, java, tmp_path):
    thief = own_device(server, tmp_path, "thief")
    with refused(
        server,
        AuditAction.SIMPLE_REENROLL_FAILED,
        counter=Counter.CSR_POLICY_VIOLATION,
        reason="subject_changed",
    ):
        ran = java(
            "renew", oldkey=thief.key_file, oldcert=thief.certificate_file, subject="CN=victim",
            key="new.key", out="new.pem",
        )  # fmt: skip
    assert ran.code == EXIT_REFUSED, ran.said
    assert "refused status=403" in ran.said
    assert not (tmp_path / "new.pem").exists()


def test_server_of_another_ca_is_not_talked_to(java, tmp_path):
    # Proves that the good answers above came over a connection that Java had checked.
    _, chain = strange_device(tmp_path, "stranger")
    ran = java("cacerts", ca=chain, out="ca.pem")
    assert ran.code not in (0, EXIT_REFUSED), ran.said
    assert "No issuer certificate for certificate" in ran.said
    assert not (tmp_path / "ca.pem").exists()
