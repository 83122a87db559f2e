"""A real server process on a free loopback port, started by its own command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from certctl.domain.ports import Records
from certctl.store import open_records

START_SECONDS = 30
STOP_SECONDS = 40
LOGGED_SECONDS = 20.0
CHILDREN = ("authority", "jobs", "worker")
PROGRAM = str(Path(sys.executable).with_name("certctl-server"))


class DidNotStart(AssertionError):
    """The server ended or did not get ready; the text is all it printed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings that might be set by chance."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CERTCTL_")}
    return kept | dict(extra)


@dataclass
class RunningServer:
    """One ``certctl-server`` and where its things are. Use as a context manager."""

    directory: Path
    arguments: list[str]
    environment: dict[str, str]
    port: int
    ca_file: Path
    database: Path
    log_file: Path
    ready_file: Path | None = None
    program: tuple[str, ...] = (PROGRAM,)
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            # On a busy machine it may only be slow: it must not stay behind.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start without waiting until it serves, as an init system does."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, *self.arguments],
                env=clean_environment(self.environment),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Until ``/ready`` says yes over TLS and, for a quick start, its file is there."""
        from tests.harness.http import fetch  # noqa: PLC0415 - it needs the CA file to exist

        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                written = self.ready_file is None or self.ready_file.exists()
                if written and self.ca_file.exists() and fetch(self, "GET", "/ready").status == 200:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.03)
        raise DidNotStart(f"exit code {self.process.poll()}\n{self.log()}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def log_events(self, event: str) -> list[dict[str, object]]:
        """JSON log lines of one event."""
        found = []
        for line in self.log().splitlines():
            if line.startswith("{"):
                record = json.loads(line)
                if record.get("event") == event:
                    found.append(record)
        return found

    def wait_logged(self, event: str, times: int = 1) -> None:
        """Until the log has this event as often; the server must not end meanwhile."""
        deadline = time.monotonic() + LOGGED_SECONDS
        while len(self.log_events(event)) < times:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def records(self) -> Records:
        """The server's own database, opened read-only beside it."""
        url = self.environment.get("CERTCTL_DATABASE_URL", f"sqlite:///{self.database}")
        return open_records(url)

    def processes(self) -> dict[str, list[int]]:
        """Process ids of the tree by kind: supervisor, authority, jobs, worker.

        A process that is just starting or ending may be missing.
        """
        supervisor = self.process.pid
        tree: dict[str, list[int]] = {"supervisor": [supervisor]}
        try:
            children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return tree
        for pid in map(int, children):
            try:
                name = Path(f"/proc/{pid}/comm").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            for kind in CHILDREN:
                # The kernel keeps 15 characters of a name.
                if name.startswith(f"certctl-{kind}"[:15]):
                    tree.setdefault(kind, []).append(pid)
        return tree


def quickstart_server(
    directory: Path, *, environment: Mapping[str, str] | None = None, port: int | None = None
) -> RunningServer:
    """``certctl-server quickstart`` in a folder of its own; profile ``demo``."""
    port = port or free_port()
    demo = directory / "demo"
    return RunningServer(
        directory=directory,
        arguments=["quickstart", "--dir", str(demo), "--port", str(port)],
        environment={"CERTCTL_LOG_FORMAT": "json"} | dict(environment or {}),
        port=port,
        ca_file=demo / "data" / "ca-iss-local.pem",
        database=demo / "data" / "certctl.db",
        log_file=directory / "server.log",
        ready_file=demo / "ready",
    )


def ruled_server(
    directory: Path, environment: Mapping[str, str], rules: Mapping[str, object]
) -> RunningServer:
    """``configured_server`` whose EST profiles all have a certificate profile ``ruled``."""
    profiles = directory / "certificate-profiles"
    write_rules(profiles, rules)
    infixes = [each.strip().upper() for each in environment["EST_PROFILES"].split(",")]
    bound = {f"EST_PROFILE_{infix}_PROFILE_ID": "ruled" for infix in infixes}
    return configured_server(
        directory, {"CERTIFICATE_PROFILES_DIR": str(profiles)} | bound | dict(environment)
    )


def write_rules(profiles: Path, rules: Mapping[str, object], name: str = "ruled") -> None:
    """One certificate profile as a TOML file."""
    profiles.mkdir(exist_ok=True)
    lines = [f"{field} = {_toml(value)}\n" for field, value in rules.items()]
    (profiles / f"{name}.toml").write_text("".join(lines))


def _toml(value: object) -> str:
    """JSON of plain values is TOML as well, tables aside."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def configured_server(
    directory: Path, environment: Mapping[str, str], *, port: int | None = None
) -> RunningServer:
    """``certctl-server serve`` with the given settings (names without ``CERTCTL_``)."""
    port = port or free_port()
    data = directory / "data"
    settings = {
        "SERVER_PORT": str(port),
        "DATA_DIR": str(data),
        "WORKERS": "2",
        "LOG_FORMAT": "json",
        "EST_ENABLED": "true",
    } | dict(environment)
    return RunningServer(
        directory=directory,
        arguments=["serve"],
        environment={f"CERTCTL_{name}": value for name, value in settings.items()},
        port=port,
        ca_file=data / "ca-iss-local.pem",
        database=data / "certctl.db",
        log_file=directory / "server.log",
    )
