"""Which server, and which key: a key never goes to a server it was not meant for."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.cli.remote.contexts import Where
from certctl.client.failures import BadInput

CONTEXTS = """
current = "lab"
[contexts.lab]
server_url = "https://lab.example:8443"
api_key_file = "{0}/lab.key"
[contexts.field]
server_url = "https://field.example"
api_key_file = "{0}/field.key"
[contexts.bare]
server_url = "https://bare.example"
"""
NAMES = ("CERTCTL_SERVER_URL", "CERTCTL_API_KEY", "CERTCTL_API_KEY_FILE", "CERTCTL_CONTEXT")
LAB, FIELD, BARE, ELSE = (
    "https://lab.example:8443",
    "https://field.example",
    "https://bare.example",
    "https://elsewhere.example",
)


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "lab.key").write_text("key-of-lab\n")
    (tmp_path / "field.key").write_text("key-of-field\n")
    (tmp_path / "config.toml").write_text(CONTEXTS.format(tmp_path))
    monkeypatch.setenv("CERTCTL_CLI_CONFIG", str(tmp_path / "config.toml"))


@pytest.mark.parametrize(
    ("options", "environment", "url", "key"),
    [
        ({}, {}, LAB, "key-of-lab"),
        ({"context": "field"}, {}, FIELD, "key-of-field"),
        ({}, {"CERTCTL_CONTEXT": "field"}, FIELD, "key-of-field"),
        # The key of a context stays with its server.
        ({"server": ELSE}, {}, ELSE, None),
        ({"server": ELSE, "context": "lab"}, {}, ELSE, None),
        ({}, {"CERTCTL_SERVER_URL": ELSE}, ELSE, None),
        ({"server": f"{LAB}/"}, {}, LAB, "key-of-lab"),
        # That of the environment goes where the caller points.
        ({"server": ELSE}, {"CERTCTL_API_KEY": "mine"}, ELSE, "mine"),
        ({}, {"CERTCTL_SERVER_URL": ELSE, "CERTCTL_API_KEY": "mine"}, ELSE, "mine"),
        # A named context's own key comes before it.
        ({"context": "field"}, {"CERTCTL_API_KEY": "mine"}, FIELD, "key-of-field"),
        ({"context": "bare"}, {"CERTCTL_API_KEY": "mine"}, BARE, "mine"),
    ],
)
def test_where_and_as_whom(
    options: dict[str, str],
    environment: dict[str, str],
    url: str,
    key: str | None,
    monkeypatch: pytest.MonkeyPatch,
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    target = Where(**options).target()  # type: ignore[arg-type]
    assert target.address.url == url
    assert target.api_key() == key


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_what_is_neither_true_nor_false(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY", value)
    with pytest.raises(BadInput, match="SKIP_VERIFY is"):
        Where(server=ELSE).target()
