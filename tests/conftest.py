"""What tests of every folder may ask for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.harness.postgres import PostgresMissing, PrivatePostgres

# A shell lets what it starts in the background ignore Ctrl-C, and so would every program
# that is started from here: its tests send it one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """One private PostgreSQL for the whole session; nobody may restart this one."""
    yield from private_postgres()


def private_postgres() -> Iterator[PrivatePostgres]:
    """For a fixture: a running cluster. Without PostgreSQL its tests are skipped, loudly;
    with CI=true that is a failure.
    """
    try:
        server = PrivatePostgres()
    except PostgresMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    try:
        server.start()
        yield server
    finally:
        server.remove()
