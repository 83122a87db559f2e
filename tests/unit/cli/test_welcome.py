"""Paths that the quick start prints are those that one would type."""

from __future__ import annotations

from pathlib import Path

from certctl.cli.welcome import near


def test_what_is_here_is_relative_and_what_is_elsewhere_is_whole(tmp_path: Path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert near(Path("certctl-demo")) == "certctl-demo"
    assert near(tmp_path / "here" / "certctl-demo") == "certctl-demo"
    assert near(tmp_path / "demo") == str(tmp_path / "demo")
    assert near(Path("../demo")).startswith("/")
