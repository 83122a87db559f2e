"""What tests of every folder may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.harness.postgres import PostgresMissing, PrivatePostgres


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
