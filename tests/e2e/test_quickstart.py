"""What a quick start leaves for its operator: a key that opens, settings for the commands."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.cli.quickstart import settings_file
from certctl.settings.envfile import read_config_file
from certctl.settings.findings import Report
from tests.harness.api import ApiClient
from tests.harness.server import PROGRAM, RunningServer, clean_environment, quickstart_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("quickstart") / "a $folder"
    directory.mkdir()
    with quickstart_server(directory, environment={"CERTCTL_WORKERS": "1"}) as running:
        yield running


def command(server: RunningServer, *arguments: str) -> str:
    """A host command with nothing but the file that the quick start wrote."""
    done = subprocess.run(
        [PROGRAM, *arguments, "--config", server.directory / "demo" / "certctl.env"],
        env=clean_environment({}),
        cwd=server.directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def key_file(server: RunningServer) -> Path:
    return server.directory / "demo" / "admin-key"


def opens(server: RunningServer, key: str) -> int:
    return ApiClient(server, key).send("GET", "/admin/est/profiles").status


def test_its_key_is_an_admins(server: RunningServer):
    assert opens(server, key_file(server).read_text().strip()) == 200


def test_its_settings_are_those_of_the_commands(server: RunningServer):
    assert "CN=demo-device-001" in command(server, "certificates", "list")
    assert "quickstart" in command(server, "keys", "list")
    assert "EST profiles: demo" in command(server, "check")


def test_a_key_that_opens_nothing_is_replaced_and_a_revoked_one_is_not(server: RunningServer):
    """Earlier versions left a secret there that was no key."""
    first = key_file(server).read_text().strip()
    assert server.stop() == 0
    key_file(server).write_text("not-a-key\n")
    server.start()
    second = key_file(server).read_text().strip()
    assert second != first
    assert opens(server, second) == 200
    command(server, "keys", "revoke", second.split("_")[1])
    assert server.stop() == 0
    server.start()
    assert key_file(server).read_text().strip() == second
    assert opens(server, second) == 401


def test_settings_come_back_as_they_were(tmp_path: Path):
    strange = {"CERTCTL_DATA_DIR": '/a b/"$x`\\y', "CERTCTL_SERVER_HOST": "::1"}
    path = tmp_path / "certctl.env"
    path.write_text(settings_file(strange))
    report = Report()
    found = read_config_file(path, report)
    assert {name: each.text for name, each in found.items()} == strange
    assert not report.faults
