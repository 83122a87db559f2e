"""Bouncy Castle's EST client (Java), over the JDK's TLS and at the label ``demo``.

Its device program is compiled here from ``bouncycastle/*.java``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.profiles import AuthMode, Operation
from tests.clients.books import granted, refused, state_of
from tests.clients.identities import load, own_device, password, strange_device
from tests.clients.tools import Ran, need, run
from tests.clients.ways import every_way, protocol
from tests.harness.device import name
from tests.harness.server import RunningServer

pytestmark = [pytest.mark.clients, every_way]

SOURCES = Path(__file__).parent / "bouncycastle"
JARS = {
    "/usr/share/java/bcprov.jar": "libbcprov-java",
    "/usr/share/java/bcpkix.jar": "libbcpkix-java",
    "/usr/share/java/bcutil.jar": "libbcutil-java",
    "/usr/share/java/bctls.jar": "libbctls-java",
}
MAIN_CLASS = "bouncycastle.EstDevice"
EXIT_REFUSED = 3


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled program and its libraries, without a warning."""
    javac = need("javac", package="default-jdk-headless")
    jars = ":".join(need(jar, package=package) for jar, package in JARS.items())
    classes = tmp_path_factory.mktemp("classes")
    # -path: the jars' manifests name optional neighbours that Debian does not install.
    compiler: list[str | Path] = [javac, "-Xlint:all,-path", "-Werror", "-d", classes, "-cp", jars]
    built = run([*compiler, *sorted(SOURCES.glob("*.java"))], directory=classes)
    assert built.code == 0, built.said
    return f"{classes}:{jars}"


class JavaDevice:
    """Calls the program with this server's address and CA."""

    def __init__(self, class_path: str, server: RunningServer, directory: Path) -> None:
        self._class_path = class_path
        self._server = server
        self._directory = directory

    def __call__(self, command: str, **options: str | Path) -> Ran:
        given = {
            "server": f"localhost:{self._server.port}",
            "label": "demo",
            "ca": self._server.ca_file,
        } | options
        words = [f"{key}={value}" for key, value in given.items()]
        program = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self._class_path]
        return run([*program, MAIN_CLASS, command, *words], directory=self._directory)


@pytest.fixture
def java(class_path: str, server: RunningServer, tmp_path: Path) -> JavaDevice:
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
