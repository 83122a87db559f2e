"""A distinguished name as text for people and records (RFC 4514).

Lenient where ``wire.names`` is strict: the names are those of other people's factories
and of attackers, and a refusal that cannot name what it refused helps nobody. Never
compare these texts: the DER decides.
"""

from __future__ import annotations

from functools import lru_cache

from certctl.domain.errors import RequestMalformed
from certctl.wire.names import decode_name

MAX_TEXT = 1024
"""Characters kept of one name; records and log lines stay readable."""

_EMPTY = b"\x30\x00"

# Issuers come again and again; a giant name would fill the cache, and is not worth it.
_MAX_CACHED = 512


# What is cut off anyway need not be read: strangers show these names before they are known.
_MAX_READ = 8 * 1024


def name_text(name_der: bytes) -> str:
    """RFC 4514 text of a Name, most specific part first; ``""`` for the empty name.

    What cannot be printed is escaped, a name that cannot be read, or is longer than 8 KiB,
    is ``#`` and its hex. At most ``MAX_TEXT`` characters, the last of them … when cut.
    """
    return _cached_text(name_der) if len(name_der) <= _MAX_CACHED else _text(name_der)


@lru_cache(maxsize=512)
def _cached_text(name_der: bytes) -> str:
    return _text(name_der)


def _text(name_der: bytes) -> str:
    try:
        text = decode_name(name_der).text() if len(name_der) <= _MAX_READ else ""
    except RequestMalformed:
        text = ""
    if not text and name_der != _EMPTY:
        text = f"#{name_der[:MAX_TEXT].hex()}"
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
