"""A server per module, the password that opens it, and a good client beside each attack."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.http import basic
from tests.harness.server import RunningServer, quickstart_server
from tests.security.binding import Bound, bound_server
from tests.security.enrollment import GoodClient, enrollment_password, first_device_enrolled


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    """A thousand connections are a thousand descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("server")
    # Two workers, so that an attack on one is seen beside the other.
    with quickstart_server(directory, environment={"CERTCTL_WORKERS": "2"}) as running:
        first_device_enrolled(running)
        yield running


@pytest.fixture(scope="module")
def password(server: RunningServer) -> str:
    return enrollment_password(server)


@pytest.fixture(scope="module")
def authorization(password: str) -> str:
    """The header line that opens the profile: these attackers know the password."""
    return "Authorization: " + basic("attacker", password)["Authorization"]


@pytest.fixture
def good_client(server: RunningServer, password: str, tmp_path: Path) -> GoodClient:
    return GoodClient(server, password, tmp_path)


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    prepared = bound_server(tmp_path_factory.mktemp("bound"))
    with prepared.server:
        yield prepared
