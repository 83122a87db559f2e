"""What holds for every command of every program: help, completion, how wrong use ends.

A command that is new needs its line in tests/harness/command_lines.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from certctl.cli.reference import PROGRAMS
from tests.harness.command_lines import COMMANDS, LINES, ran

USAGE, NOT_FOUND = 2, 3

ON_HOST = [name for name in COMMANDS if name.startswith("certctl-server ")]
FROM_AFAR = [name for name in COMMANDS if name not in ON_HOST]

# Their lines name nothing that could be missing on record.
NAMES_NOTHING = {
    f"certctl-server {each}"
    for each in (
        *("audit export", "audit verify", "backup", "cert-check", "certificates bulk-revoke"),
        *("certificates import", "certificates list", "certificates search", "check"),
        *("events dead", "events list", "intents list", "keys create", "keys list", "migrate"),
        *("profiles list", "profiles put", "quickstart", "requests list", "restore", "serve"),
    )
}


def groups(name: str, command: Any) -> Iterator[str]:
    """The program, and each group of its commands."""
    below = getattr(command, "commands", None)
    if below is not None:
        yield name
        for each in below:
            yield from groups(f"{name} {each}", below[each])


GROUPS = [each for name, app in PROGRAMS.items() for each in groups(name, get_command(app))]


def test_every_command_has_its_line():
    assert set(LINES) == set(COMMANDS)


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_help_shows_an_example(name: str):
    done = ran(f"{name} --help", {})
    assert done.exit_code == 0
    assert "Example: " in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_is_none_is_usage(name: str):
    done = ran(f"{LINES[name]} --no-such-option", {})
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "--no-such-option" in done.stderr


@pytest.mark.parametrize(
    "name", [name for name, each in COMMANDS.items() if any(p.required for p in each.params)]
)
def test_what_is_required_and_missing_is_usage(name: str):
    done = ran(name, {})
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "Missing" in done.stderr


@pytest.mark.parametrize("name", ON_HOST)
def test_a_setting_that_is_none_is_usage(name: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("device.pem", "device.csr", "rules.toml", "made.backup"):
        (tmp_path / file).write_text("")
    done = ran(LINES[name], {"CERTCTL_WORKERS": "many"})
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "CERTCTL_WORKERS" in done.stderr


@pytest.mark.parametrize("name", FROM_AFAR)
def test_a_server_that_is_not_named_is_usage(name: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "device.csr").write_text("no request")
    (tmp_path / "rules.toml").write_text("")
    (tmp_path / "device.pem").write_text("")
    line = LINES[name].replace("https://localhost:1", "http://localhost:1")
    done = ran(line, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", [each for each in GROUPS if " " not in each])
def test_completion(program: str, shell: str):
    variables = {
        f"_{program.upper().replace('-', '_')}_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": f"{program} ",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": f"{program} ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = ran(program, variables)
    assert done.exit_code == 0
    for each in get_command(PROGRAMS[program]).commands:  # type: ignore[attr-defined]
        assert each in done.stdout, done.stdout


# --- what is not there, on the host -----------------------------------------------------------


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a server that never ran, but has a store."""
    data = tmp_path_factory.mktemp("host") / "data"
    data.mkdir(mode=0o700)
    (data.parent / "device.csr").write_text("no request")
    settings = {
        "CERTCTL_DATA_DIR": str(data),
        "CERTCTL_EST_ENABLED": "true",
        "CERTCTL_EST_PROFILES": "corp",
        "CERTCTL_EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    }
    assert ran("certctl-server keys create root --role admin", settings).exit_code == 0
    return settings


@pytest.mark.parametrize("name", [each for each in ON_HOST if each not in NAMES_NOTHING])
def test_what_is_not_there_is_not_found(name: str, host: dict[str, str], monkeypatch):
    monkeypatch.chdir(Path(host["CERTCTL_DATA_DIR"]).parent)
    done = ran(LINES[name], host)
    assert (done.exit_code, done.stdout) == (NOT_FOUND, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("certctl-server: ")


@pytest.mark.parametrize(
    "line",
    [
        "certctl-server restore gone.backup",
        "certctl-server profiles put gone.toml",
        "certctl-server explain --profile corp --csr gone.csr",
        "certctl-server audit verify --export gone.jsonl --key gone.pub",
        "certctl-server check --config gone.env",
    ],
)
def test_a_file_that_is_not_there_is_usage(line: str, host: dict[str, str]):
    done = ran(line, host)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "gone" in done.stderr


# --- forms for programs, and quiet ------------------------------------------------------------


@pytest.mark.parametrize("name", ON_HOST)
def test_yaml_is_there_where_json_is(name: str):
    for parameter in COMMANDS[name].params:
        if "--output" in parameter.opts:
            assert [each.value for each in parameter.type_descriptor.annotation] == [
                "table",
                "json",
                "yaml",
            ]
            assert "--format" in parameter.opts


def test_yaml_says_what_json_says(host: dict[str, str]):
    for line in (
        "certctl-server certificates list",
        "certctl-server certificates search device",
        "certctl-server cert-check",
        "certctl-server certificates bulk-revoke --reason superseded --profile corp --dry-run",
        "certctl-server trust list",
    ):
        as_json = ran(f"{line} --output json", host)
        as_yaml = ran(f"{line} --output yaml", host)
        assert as_json.exit_code == as_yaml.exit_code == 0, as_yaml.stderr
        assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)


def test_quiet_leaves_the_result_alone(host: dict[str, str], tmp_path: Path):
    loud = ran("certctl-server keys create alice", host)
    quiet = ran("certctl-server keys create alice --quiet", host)
    assert "shown only now" in loud.stderr
    assert quiet.stderr == ""
    assert quiet.stdout.startswith("certctl_")
    assert ran(f"certctl-server backup {tmp_path / 'a'}", host).stderr
    assert ran(f"certctl-server backup {tmp_path / 'b'} -q", host).stderr == ""
