"""Caching of what is published (RFC 9110 §13, RFC 9111): validators, and 304 in place of a body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from certctl.domain.clock import SECOND_US
from certctl.web.answers import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What tells one state of a resource from another.

    Attributes:
        etag: with its quotes.
        modified_us: microseconds since the epoch.
    """

    etag: bytes
    modified_us: int

    def headers(self) -> Headers:
        return ((b"ETag", self.etag), (b"Last-Modified", http_date(self.modified_us)))

    def is_known(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the reader has this state already; ``headers`` by lower-case name."""
        tags = headers.get(b"if-none-match")
        if tags is not None:
            # RFC 9110 §13.1.2: compared weakly, and If-Modified-Since is not looked at.
            known = {tag.strip().removeprefix(b"W/") for tag in tags.split(b",")}
            return self.etag in known or b"*" in known
        since = headers.get(b"if-modified-since")
        if since is None:
            return False
        try:
            seconds = parsedate_to_datetime(since.decode("latin-1")).timestamp()
        except (ValueError, OverflowError):
            return False  # RFC 9110 §13.1.3: what is no date is not there
        return self.modified_us // SECOND_US <= seconds


def http_date(time_us: int) -> bytes:
    return formatdate(time_us // SECOND_US, usegmt=True).encode("ascii")
