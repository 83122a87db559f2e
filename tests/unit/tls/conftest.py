"""Keys once per run; a server factory on both kinds of event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.tls.rig import Pki, Server, make_pki

Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def pki() -> Pki:
    return make_pki()


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(request: pytest.FixtureRequest, pki: Pki) -> Iterator[Serve]:
    """Start servers with changed limits: ``serve(header_s=0.2)``."""
    with contextlib.ExitStack() as stack:

        def start(**limits: Any) -> Server:
            return stack.enter_context(Server(pki, request.param, **limits))

        yield start


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve()
