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

# Issuers come again and again; a giant name would fill the cache, and is not worth it.
_MAX_CACHED = 512


def name_text(name_der: bytes) -> str:
    """RFC 4514 text of a Name, most specific part first; ``""`` for the empty name.

    What cannot be printed is escaped, a name that cannot be read is ``#`` and its hex.
    """
    return _cached_text(name_der) if len(name_der) <= _MAX_CACHED else _text(name_der)


@lru_cache(maxsize=512)
def _cached_text(name_der: bytes) -> str:
    return _text(name_der)


def _text(name_der: bytes) -> str:
    try:
        text = decode_name(name_der).text()
    except RequestMalformed:
        text = f"#{name_der.hex()}"
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
