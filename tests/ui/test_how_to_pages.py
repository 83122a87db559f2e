"""How-to pages that are typed word for word, each in a folder of its own beside one server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.api_keys import Role
from tests.harness.api import first_key
from tests.harness.server import RunningServer, clean_environment, configured_server, write_rules
from tests.harness.shell import CLI
from tests.harness.terminal import Terminal
from tests.harness.typed_page import Reader, no_browser

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PASSWORD = "password-of-the-how-to-pages"


@contextlib.contextmanager
def office_at(directory: Path) -> Iterator[RunningServer]:
    """The profiles that the pages speak of."""
    write_rules(directory / "certificate-profiles", {"requires_approval": True}, "cp-plant")
    settings = {
        "CERTIFICATE_PROFILES_DIR": str(directory / "certificate-profiles"),
        "EST_PROFILES": "corp,plant,iot",
        "EST_PROFILE_PLANT_PROFILE_ID": "cp-plant",
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
    }
    for infix in ("CORP", "PLANT", "IOT"):
        settings |= {
            f"EST_PROFILE_{infix}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{infix}_ALLOWED_AUTH_MODES": "basic,mtls",
            f"EST_PROFILE_{infix}_MTLS_OWN_ONLY": "true",
            f"EST_PROFILE_{infix}_ENROLLMENT_PASSWORD": f"{PASSWORD}-{infix}",
        }
    with configured_server(directory, settings) as server:
        yield server


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with office_at(tmp_path_factory.mktemp("how-to")) as server:
        yield server


def desk(server: RunningServer, folder: Path, profile: str) -> Terminal:
    """An operator's terminal on the server's host, with a key and a device's password."""
    (folder / "password").write_text(f"{PASSWORD}-{profile.upper()}\n")
    (folder / "operator.key").write_text(first_key(server, "operator", Role.OPERATOR) + "\n")
    environment = {
        name: value
        for name, value in clean_environment(server.environment).items()
        if name not in {"NO_COLOR", "XDG_CONFIG_HOME"}
    }
    mine = {
        "HOME": str(folder),
        "PATH": f"{Path(CLI).parent}:{environment['PATH']}",
        "CERTCTL_SERVER_URL": server.url,
        "CERTCTL_SERVER_CA_BUNDLE_PATH": str(server.ca_file),
        "CERTCTL_API_KEY_FILE": str(folder / "operator.key"),
    }
    return Terminal(folder, environment | mine)


@pytest.mark.parametrize(
    ("page", "profile"),
    [
        ("approvals", "plant"),
        ("api-keys", "corp"),
        ("command-line", "corp"),
        ("devices", "iot"),
        ("doctor", "corp"),
    ],
)
def test_the_page_does_what_it_says(office: RunningServer, page: str, profile: str, tmp_path: Path):
    text = (HOW_TO / f"{page}.md").read_text()
    # A reader puts in what is theirs.
    for theirs, ours in {
        "https://est.example.com:8443": office.url,
        "/etc/device/ca.pem": str(office.ca_file),
        "/etc/device/password": str(tmp_path / "password"),
        "/var/lib/device": str(tmp_path / "device"),
    }.items():
        text = text.replace(theirs, ours)
    with desk(office, tmp_path, profile) as terminal:
        Reader(terminal, terminal, no_browser, office.url).follow(text)
