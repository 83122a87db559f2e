"""SECURITY.md names tests that exist, and leaves no module of this folder out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
TABLE = FOLDER.parents[1] / "SECURITY.md"
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_named_test_exists() -> None:
    named = NAMED.findall(TABLE.read_text())
    assert named
    missing = [(module, name) for module, name in named if name not in functions_of(module)]
    assert not missing


def test_every_module_is_named() -> None:
    named = {module for module, _ in NAMED.findall(TABLE.read_text())}
    there = {path.name for path in FOLDER.glob("test_*.py")} - {Path(__file__).name}
    assert there == named


def functions_of(module: str) -> set[str]:
    path = FOLDER / module
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
