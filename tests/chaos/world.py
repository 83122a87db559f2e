"""The server that is put into trouble: SQLite or PostgreSQL, and a receiver of its events."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.harness.faults import FailingFsync
from tests.harness.postgres import PrivatePostgres
from tests.harness.receiver import Receiver, receiver
from tests.harness.server import RunningServer, configured_server

PROFILE = "demo"
WORKERS = 2


class Database(StrEnum):
    """What the server keeps its records in."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class World:
    """A server that is not yet started, and what stands around it."""

    server: RunningServer
    hook: Receiver
    postgres: PrivatePostgres | None = None
    fsync: FailingFsync | None = None

    @property
    def url(self) -> str:
        """Where the records are."""
        return self.server.environment.get(
            "CERTCTL_DATABASE_URL", f"sqlite:///{self.server.database}"
        )


@contextmanager
def world(directory: Path, database: Database, *, failing_fsync: bool = False) -> Iterator[World]:
    """Everything in ``directory``; a private PostgreSQL is taken away at the end.

    With ``failing_fsync`` the server's disk can be made to fail; that needs a C compiler.
    """
    with receiver() as hook:
        settings = _settings(directory, hook)
        if database is Database.SQLITE:
            server = configured_server(directory, settings)
            fsync = None
            if failing_fsync:
                fsync = FailingFsync(directory, below=server.database.parent)
                server.environment |= fsync.environment
            yield World(server, hook, fsync=fsync)
            return
        postgres = PrivatePostgres()
        try:
            postgres.start()
            settings["DATABASE_URL"] = postgres.migrated()
            yield World(configured_server(directory, settings), hook, postgres=postgres)
        finally:
            postgres.remove()


def _settings(directory: Path, hook: Receiver) -> dict[str, str]:
    password = directory / "enrollment-password"
    webhook_secret = directory / "webhook-secret"
    for path in (password, webhook_secret):
        path.write_text(secrets.token_urlsafe(24) + "\n")
        path.chmod(0o600)
    infix = f"EST_PROFILE_{PROFILE.upper()}_"
    return {
        "WORKERS": str(WORKERS),
        "EST_PROFILES": PROFILE,
        f"{infix}ISSUER_ID": "iss-local",
        f"{infix}ALLOWED_AUTH_MODES": "basic,mtls",
        f"{infix}MTLS_OWN_ONLY": "true",
        f"{infix}ENROLLMENT_PASSWORD_FILE": str(password),
        "WEBHOOKS": "ops",
        "WEBHOOK_OPS_URL": hook.url,
        "WEBHOOK_OPS_SECRET_FILE": str(webhook_secret),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "PUBLIC_URL": "https://localhost",
    }
