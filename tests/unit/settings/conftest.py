"""Loading settings as if in another place and time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from certctl.settings import Finding, Settings, SettingsRefused, Surroundings, load_settings
from tests.unit.settings.rig import NOW_US, Files, Load, Refuse


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """``load({"EST_ENABLED": "true"})``: names without prefix, no surprises from outside."""

    def load(
        variables: Mapping[str, str] | None = None,
        *,
        file: str | None = None,
        check_files: bool = True,
        outside: Mapping[str, str] | None = None,
        on_terminal: bool = False,
    ) -> Settings:
        config = None
        if file is not None:
            config = tmp_path / "server.env"
            config.write_bytes(file.encode())
        environ = {f"CERTCTL_{name}": text for name, text in (variables or {}).items()}
        return load_settings(
            environ | dict(outside or {}),
            config,
            check_files=check_files,
            surroundings=Surroundings(
                now_us=NOW_US, cores=3, on_terminal=on_terminal, directory=tmp_path
            ),
        )

    return load


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """The faults of settings that must be refused."""

    def refuse(*args: object, **options: object) -> tuple[Finding, ...]:
        with pytest.raises(SettingsRefused) as caught:
            load(*args, **options)
        assert caught.value.findings
        return caught.value.findings

    return refuse


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
