"""Syslog messages (RFC 5424), and their framing in a stream (RFC 6587 §3.4.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

AUDIT_FACILITY = 13
"""RFC 5424 §6.2.1: log audit."""

WARNING = 4
NOTICE = 5
INFO = 6

MAX_HOSTNAME = 255
MAX_MESSAGE_ID = 32

_NIL = "-"
_BOM = b"\xef\xbb\xbf"


def message(text: bytes, *, time_us: int, host: str, message_id: str, severity: int) -> bytes:
    """One message; ``text`` is UTF-8 without line feed, and says so by its BOM (§6.4)."""
    priority = AUDIT_FACILITY * 8 + severity
    header = (
        f"<{priority}>1 {_moment(time_us)} {_printable(host, MAX_HOSTNAME)} certctl"
        f" {_NIL} {_printable(message_id, MAX_MESSAGE_ID)} {_NIL} "
    )
    return header.encode() + _BOM + text


def framed(octets: bytes) -> bytes:
    """With its length before it, as streams take it."""
    return b"%d %s" % (len(octets), octets)


def _moment(time_us: int) -> str:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}Z"


def _printable(text: str, most: int) -> str:
    """PRINTUSASCII (§6): what cannot be in a field is left out."""
    kept = "".join(character for character in text if "!" <= character <= "~")
    return kept[:most] or _NIL
