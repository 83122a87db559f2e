"""A help text fits the terminal that it is read at, whatever the source looks like."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from certctl.cli.help_texts import reflowed
from tests.harness.shell import CLI


def test_paragraphs_become_lines():
    text = """What it does.

    One line of the source,
    and another.

    Example: program --long
    --option
    """
    assert reflowed(text) == (
        "What it does.\n\nOne line of the source, and another.\n\nExample: program --long --option"
    )


def test_no_line_of_a_help_is_broken_in_its_middle(tmp_path: Path):
    shown = subprocess.run(
        [CLI, "est", "bulk-revoke", "--help"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    lines = [line.strip() for line in shown.partition("Options")[0].splitlines()]
    (example,) = (line for line in lines if line.startswith("Example: "))
    assert example.endswith(" --reason keyCompromise --dry-run")
