"""What a ``DATABASE_URL`` means. It may hold a password, so no text ever repeats it."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from certctl.store.errors import StoreUnopenable

POSTGRES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    return url.startswith(POSTGRES)


def postgres_url(url: str) -> URL:
    """As the driver takes it; what stands behind ``?`` goes to libpq (``sslmode=…``).

    Raises:
        StoreUnopenable: not such a URL, or it names no database.
    """
    _, _, rest = url.partition("://")
    try:
        parsed = make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):
        # The exception repeats the text.
        raise _unusable("not a URL; a password is percent-encoded in it") from None
    if not parsed.database:
        raise _unusable("postgresql://HOST/NAME must name a database")
    return parsed


def place(url: URL) -> str:
    """The database in words, without user and password."""
    host = f"{url.host or url.query.get('host') or 'local socket'}"
    return f"PostgreSQL database {url.database} at {host}" + (f":{url.port}" if url.port else "")


def _unusable(note: str) -> StoreUnopenable:
    return StoreUnopenable("DATABASE_URL", note=note)
