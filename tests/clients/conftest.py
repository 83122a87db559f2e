"""A quick-started server of its own for each file of client tests."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.clients.java import compiled
from tests.clients.ways import DIRECT, reached
from tests.harness.server import START_SECONDS, RunningServer

pytest.register_assert_rewrite("tests.clients.books")

PAUSE_SECONDS = 0.02


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """Profile ``demo``, also at the root; its first device is already enrolled.

    Met directly, or by the way of ``tests.clients.ways.every_way``.

    Waiting for the ``ready`` file matters: until then that first enrollment may still
    add to the records that tests compare.
    """
    directory = tmp_path_factory.mktemp("server")
    with reached(getattr(request, "param", DIRECT), directory) as running:
        deadline = time.monotonic() + START_SECONDS
        while not (directory / "demo" / "ready").exists():
            assert running.process.poll() is None, running.log()
            assert time.monotonic() < deadline, running.log()
            time.sleep(PAUSE_SECONDS)
        yield running


@pytest.fixture(scope="session")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bouncy Castle's device program, compiled once."""
    return compiled(tmp_path_factory.mktemp("classes"))
