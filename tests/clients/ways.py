"""The ways to the server: directly, and behind each proxy that the how-to page configures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.tools import need
from tests.harness.proxies import Kind, ProxyIdentity, ServerBehind, behind
from tests.harness.server import RunningServer, quickstart_server

DIRECT = "direct"

every_way = pytest.mark.parametrize("server", [DIRECT, *Kind], indirect=True, scope="module")
"""Mark a module whose ``server`` shall be met by each way, one after the other."""

# Behind a proxy a client gets no more than TLS 1.2: that is what the proxy is there for.
ONLY_TLS_1_2 = {
    Kind.NGINX: {"ssl_protocols TLSv1.2 TLSv1.3": "ssl_protocols TLSv1.2"},
    Kind.HAPROXY: {"ssl-min-ver TLSv1.2": "ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2"},
}


@contextlib.contextmanager
def reached(way: str, directory: Path) -> Iterator[RunningServer]:
    """A quick-started server by one of the ways."""
    if way == DIRECT:
        with quickstart_server(directory) as server:
            yield server
        return
    kind = Kind(way)
    need(kind, package=kind)
    identity = ProxyIdentity.make(directory / "identity")
    trusting = {"CERTCTL_TRUSTED_PROXIES": identity.setting}
    with (
        quickstart_server(directory, environment=trusting) as server,
        behind(kind, server, identity, directory / kind, changes=ONLY_TLS_1_2[kind]) as front,
    ):
        yield front


def protocol(server: RunningServer) -> str:
    """What a client agrees on with the server, or with the proxy before it."""
    return "TLSv1.2" if isinstance(server, ServerBehind) else "TLSv1.3"
