"""The device program for Bouncy Castle's EST client, from ``bouncycastle/*.java``."""

from __future__ import annotations

from pathlib import Path

from tests.clients.tools import Ran, need, run
from tests.harness.server import RunningServer

SOURCES = Path(__file__).parent / "bouncycastle"
JARS = {
    "/usr/share/java/bcprov.jar": "libbcprov-java",
    "/usr/share/java/bcpkix.jar": "libbcpkix-java",
    "/usr/share/java/bcutil.jar": "libbcutil-java",
    "/usr/share/java/bctls.jar": "libbctls-java",
}
MAIN_CLASS = "bouncycastle.EstDevice"
EXIT_REFUSED = 3


def compiled(classes: Path) -> str:
    """The class path of the program, compiled into ``classes`` without a warning."""
    javac = need("javac", package="default-jdk-headless")
    jars = ":".join(need(jar, package=package) for jar, package in JARS.items())
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
