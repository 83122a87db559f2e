"""docs/reference/cli.md says what the code says, and every command says how it is used."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from certctl.cli.reference import commands, page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
COMMANDS = dict(commands())
GUIDE = [
    "certctl-cli est cacerts --profile",
    "certctl-cli est csrattrs --profile",
    "certctl-cli est enroll --profile --csr --out",
    "certctl-cli est reenroll --profile --csr --out",
    "certctl-cli est serverkeygen --profile --csr --out",
    "certctl-cli est test --profile",
]


def test_the_page_in_docs_is_the_generated_one():
    assert PAGE.read_text() == page(), "run: python -m certctl.cli.reference"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_whose_options_exist(name: str):
    command = COMMANDS[name]
    examples = (command.help or "").split("Example: ")[1:]
    assert examples, f"{name} has no example"
    options = {option for each in command.params for option in each.opts}
    for example in examples:
        line = " ".join(example.split("\n\n")[0].split())
        assert name in line
        used = {word.partition("=")[0] for word in shlex.split(line) if word.startswith("--")}
        assert used <= options, f"{name}: {used - options}"


@pytest.mark.parametrize("line", GUIDE)
def test_the_guides_options_are_there(line: str):
    words = line.split()
    name = " ".join(word for word in words if not word.startswith("--"))
    options = {option for each in COMMANDS[name].params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= options
