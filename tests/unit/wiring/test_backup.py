"""What a backup refuses before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.settings import load_settings
from certctl.wiring.backup import BackupRefused, judge_target
from tests.harness.replacing import replace


def test_postgresql_is_left_to_its_own_tools(tmp_path: Path):
    """The settings of such a server; what they name is not reached for."""
    settings = load_settings({"CERTCTL_DATA_DIR": str(tmp_path)}, None)
    server = replace(settings.server, database_url="postgresql://db/certctl")
    settings = replace(settings, server=server)
    with pytest.raises(BackupRefused, match="pg_dump"):
        judge_target(settings, None, keys_only=False)
    assert judge_target(settings, None, keys_only=True) is None


@pytest.mark.parametrize(
    ("folder", "words"), [("data", "no database"), ("nowhere", "is CERTCTL_DATA_DIR right")]
)
def test_a_wrong_directory_is_named(tmp_path: Path, folder: str, words: str):
    (tmp_path / "data").mkdir()
    settings = load_settings({"CERTCTL_DATA_DIR": str(tmp_path / folder)}, None)
    with pytest.raises(BackupRefused, match=words):
        judge_target(settings, tmp_path / "b", keys_only=False)
