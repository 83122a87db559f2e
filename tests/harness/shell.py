"""The commands of the network side, as processes: ``certctl-cli`` and ``certctl-est``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.server import RunningServer, clean_environment

CLI = str(Path(sys.executable).with_name("certctl-cli"))
DEVICE = str(Path(sys.executable).with_name("certctl-est"))
SECONDS = 60


@dataclass
class Shell:
    """Runs a program in a folder, with these variables and none of ours."""

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = CLI

    def run(
        self, *arguments: str, stdin: bytes = b"", **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        """``more`` are further variables."""
        home = {"HOME": str(self.directory), "XDG_CONFIG_HOME": str(self.directory / "config")}
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.directory,
            env=clean_environment({**home, **self.environment, **more}),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )

    def good(self, *arguments: str, stdin: bytes = b"") -> str:
        """What it printed; it must end well."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def bad(self, code: int, *arguments: str, stdin: bytes = b"") -> str:
        """What it complained of; it must end with this code, and print nothing."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, (done.stdout.decode(), done.stderr.decode())
        assert done.stdout == b""
        return done.stderr.decode()


def shell_for(server: RunningServer, directory: Path, **more: str) -> Shell:
    """The environment of the guide: the server's URL, and its CA as the only one trusted."""
    return Shell(
        directory,
        {
            "CERTCTL_SERVER_URL": server.url,
            "CERTCTL_SERVER_CA_BUNDLE_PATH": str(server.ca_file),
            **more,
        },
    )
