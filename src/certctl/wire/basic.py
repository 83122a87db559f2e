"""HTTP Basic credentials from an Authorization header (RFC 7617).

Says what is wrong instead of raising: the header is the attacker's, and every fault
ends in the same refusal anyway. Judges no password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from certctl.wire.body import strict_base64


class BasicFault(StrEnum):
    """Why a header holds no usable Basic credentials."""

    OTHER_SCHEME = "other_scheme"
    MALFORMED = "malformed"
    EMPTY_PASSWORD = "empty_password"  # noqa: S105 - names a fault


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicCredentials:
    """User name, which may be empty (RFC 7030 §3.2.3), and password, which is not."""

    user: str
    password: str = field(repr=False)


def decode_basic(header_value: str) -> BasicCredentials | BasicFault:
    """Read the value of an Authorization header.

    UTF-8 where it is UTF-8, else Latin-1, as RFC 7617 §2.1 leaves it to the server. The
    password is everything after the first colon.
    """
    scheme, _, token = header_value.strip(" \t").partition(" ")
    if scheme.lower() != "basic":
        return BasicFault.OTHER_SCHEME
    try:
        octets = strict_base64(token.lstrip(" ").encode("ascii"))
    except ValueError:  # UnicodeEncodeError is one
        return BasicFault.MALFORMED
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    user, colon, password = text.partition(":")
    # RFC 7617 §2 forbids control characters in both.
    if not colon or _has_control(text):
        return BasicFault.MALFORMED
    if not password:
        return BasicFault.EMPTY_PASSWORD
    return BasicCredentials(user=user, password=password)


def _has_control(text: str) -> bool:
    if text.isprintable():
        return False
    return any(c < " " or "\x7f" <= c <= "\x9f" for c in text)
