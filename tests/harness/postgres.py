"""A private PostgreSQL in a temporary folder: made, started, restarted and stopped by us.

It listens on a Unix socket and on a free loopback port, with fsync on; the system's own
cluster is never touched. PostgreSQL refuses to run as root: then it runs as ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from certctl.store import migrate_store
from tests.harness.server import free_port

SECONDS = "60"
PASSWORD = "planted-database-password"

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "postgresql.md"

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 60
shared_buffers = 64MB
fsync = on
synchronous_commit = on
autovacuum_naptime = 5s
log_lock_waits = on
deadlock_timeout = 200ms
"""


class PostgresMissing(AssertionError):
    """No PostgreSQL is installed here."""


def binaries() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are: the newest of Debian's, or in the PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4])
    )
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


class Urls(NamedTuple):
    """One database, as each of its roles."""

    owner: str
    writer: str
    reader: str


def _words(block: str, name: str) -> list[str]:
    """The statements of a block of the page, for a database and roles of this name."""
    text = block.partition("```")[0].replace("certctl", name)
    text = re.sub(r"'change-me-\w+'", f"'{PASSWORD}'", text)
    return [statement for statement in text.split(";") if statement.strip()]


@dataclass
class PrivatePostgres:
    """One cluster; ``start`` makes it, ``remove`` ends it and takes everything away."""

    parent: Path | None = None
    folder: Path = field(init=False)
    port: int = field(init=False)
    _binaries: Path = field(init=False)
    _user: str | None = field(init=False, default=None)
    _template: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        found = binaries()
        if found is None:
            raise PostgresMissing("PostgreSQL is missing: apt-get install postgresql")
        self._binaries = found
        self.folder = Path(tempfile.mkdtemp(prefix="certctl-pg-", dir=self.parent))
        self.port = free_port()
        if os.geteuid() == 0:
            self._user = "postgres"
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Make the cluster if there is none, and start it."""
        if not self.data.exists():
            password = self.folder / "password"
            password.write_text(PASSWORD)
            self._own(password)
            self._run(
                "initdb",
                *("-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"),
                *("-A", "scram-sha-256", "--pwfile", str(password)),
            )
            with (self.data / "postgresql.conf").open("a") as file:
                file.write(_CONFIGURATION.format(port=self.port, folder=self.folder))
        self.control("start", "-l", str(self.folder / "log"))

    def control(self, *arguments: str) -> None:
        """``pg_ctl`` on this cluster, waiting until it is done."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", SECONDS, *arguments)

    def restart(self, mode: str = "immediate") -> None:
        self.control("restart", "-m", mode, "-l", str(self.folder / "log"))

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.control("stop", "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t_{secrets.token_hex(6)}"
        # Sorted by a language's rules unless told otherwise, as many are in the field.
        language = "LOCALE_PROVIDER icu ICU_LOCALE 'en'"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {language}")
        return self.url(name)

    def migrated(self) -> str:
        """The URL of a new database with our tables: a copy of one that was migrated."""
        if self._template is None:
            self._template = self.database().rpartition("/")[2]
            migrate_store(self.url(self._template))
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self.url(name)

    def as_documented(self) -> Urls:
        """A new, empty database with the three roles of docs/how-to/postgresql.md, whose
        statements are run as they stand there, under names of their own.
        """
        name = f"t_{secrets.token_hex(6)}"
        roles, here = (_words(block, name) for block in PAGE.read_text().split("```sql\n")[1:])
        for statement in roles:
            self.execute(statement)
        for statement in here:
            self.execute(statement, self.url(name))
        return Urls(*(self.url(name, user=f"{name}_{role}") for role in Urls._fields))

    def url(self, name: str, *, user: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, url: str | None = None, *values: object) -> list[Any]:
        """Run one statement as the cluster's superuser; gives its rows, if any."""
        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def _own(self, path: Path) -> None:
        if self._user is not None:
            shutil.chown(path, self._user)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._user,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            # Files, not pipes: the server would keep a pipe open for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            log = self.folder / "log"
            said = log.read_text(errors="replace")[-2_000:] if log.exists() else ""
            raise AssertionError(f"{program} {arguments[-3:]} failed: {said}")
