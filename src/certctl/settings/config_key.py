"""The form of CONFIG_ENCRYPTION_KEY: 32 octets in base64 or hexadecimal."""

from __future__ import annotations

import base64
from typing import Final

from certctl.settings.secret import Secret, SecretSource
from certctl.settings.variable import Kind

KEY_OCTETS: Final = 32

ALLOWED: Final = "32 octets in base64 or hexadecimal; openssl rand -base64 32 makes them"


def config_key_octets(text: str) -> bytes:
    """The key.

    Raises:
        ValueError: it is none; the text is not in the message.
    """
    text = text.strip()
    try:
        is_hex = len(text) == 2 * KEY_OCTETS
        key = bytes.fromhex(text) if is_hex else base64.b64decode(text, validate=True)
    except ValueError:
        # Its own message would quote what came.
        key = b""
    if len(key) != KEY_OCTETS:
        raise ValueError("not 32 octets in base64 or hexadecimal")
    return key


def _read(text: str) -> SecretSource:
    config_key_octets(text)
    return SecretSource(given=Secret(text))


CONFIG_KEY: Final = Kind(allowed=ALLOWED, read=_read)
