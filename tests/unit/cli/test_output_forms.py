"""Which form a command prints: a table on a terminal and nowhere else, for all programs alike."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.harness.command_lines import COMMANDS, LINES, NOBODY, ran
from tests.harness.terminal import Terminal

FINDINGS = 8

WITHOUT_FORMS = {
    # What they give is a document of its own: PEM, a CSR, rules as written, a key, a backup.
    "certctl-cli certificates chain",
    "certctl-cli est cacerts",
    "certctl-cli est csrattrs",
    "certctl-cli est enroll",
    "certctl-cli est fullcmc",
    "certctl-cli est reenroll",
    "certctl-cli est serverkeygen",
    "certctl-cli issuers csr",
    "certctl-server audit export",
    "certctl-server backup",
    "certctl-server keys create",
    "certctl-server profiles show",
    # They run, or say how it went.
    "certctl-est daemon",
    "certctl-est enroll",
    "certctl-est renew",
    "certctl-mcp",
    "certctl-server check",
    "certctl-server migrate",
    "certctl-server quickstart",
    "certctl-server restore",
    "certctl-server serve",
}

LISTS = [
    "certctl-server cert-check",
    "certctl-server certificates list",
    "certctl-server certificates search device",
    "certctl-server events dead",
    "certctl-server events list",
    "certctl-server intents list",
    "certctl-server keys list",
    "certctl-server profiles list",
    "certctl-server requests list",
    "certctl-server trust list",
    "certctl-server trust reload",
]
"""With an empty store."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a server that never ran, but has a store with a key in it."""
    data = tmp_path_factory.mktemp("forms") / "data"
    data.mkdir(mode=0o700)
    settings = {
        "CERTCTL_DATA_DIR": str(data),
        "CERTCTL_EST_ENABLED": "true",
        "CERTCTL_EST_PROFILES": "corp",
        "CERTCTL_EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    }
    assert ran("certctl-server keys create root --role admin", settings).exit_code == 0
    return settings


def test_every_command_has_all_forms_or_a_reason_for_none():
    having = {
        name
        for name, each in COMMANDS.items()
        if {"--output", "--format", "--quiet"} <= {o for p in each.params for o in p.opts}
    }
    assert set(COMMANDS) - having == WITHOUT_FORMS


@pytest.mark.parametrize("line", LISTS)
def test_in_a_pipe_it_is_json_and_yaml_says_the_same(line: str, host: dict[str, str]):
    done = ran(line, host)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    as_yaml = ran(f"{line} --format yaml", host)
    assert yaml.safe_load(as_yaml.stdout) == told
    if line.endswith(" list"):
        assert isinstance(told["data"], list)
    table = ran(f"{line} --output table", host).stdout
    assert not table.startswith(("{", "["))


def test_what_is_shown_alone_is_json_in_a_pipe_too(host: dict[str, str]):
    made = ran("certctl-server keys create other --quiet", host)
    key_id = made.stdout.split("_")[1]
    revoked = json.loads(ran(f"certctl-server keys revoke {key_id}", host).stdout)
    assert (revoked["id"], revoked["name"]) == (key_id, "other")
    rows = json.loads(ran("certctl-server keys list", host).stdout)["data"]
    assert {row["name"]: row["status"] for row in rows} == {"root": "usable", "other": "revoked"}


def test_a_refusal_in_a_pipe_prints_no_data(host: dict[str, str]):
    for name in ("certctl-server requests show", "certctl-server events show"):
        done = ran(LINES[name], host)
        assert NOBODY in done.stderr
        assert done.stdout == ""


def test_on_a_terminal_it_is_a_table_and_behind_a_pipe_json(host: dict[str, str], tmp_path: Path):
    programs = Path(sys.executable).parent
    path = f"{programs}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", **host}
    asked = "certctl-cli est test --profile corp --server https://localhost:1"
    with Terminal(tmp_path, environment) as terminal:
        shown, code = terminal.type("certctl-server keys list")
        assert (code, shown.lstrip().startswith("ID ")) == (0, True), shown
        shown, code = terminal.type("certctl-server keys list | cat")
        assert (code, "root" in json.dumps(json.loads(shown))) == (0, True)
        shown, code = terminal.type("certctl-server keys list --output json")
        assert json.loads(shown)["data"]
        shown, code = terminal.type(asked)
        assert (code, "failed  cacerts: " in shown) == (FINDINGS, True), shown
        shown, _ = terminal.type(f"{asked} | cat")
        assert json.loads(shown)["good"] is False
