"""Style, scripts and pictures of the pages: each under a name that holds its hash.

What a name gives never changes, so browsers keep it for a year and ask no more.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from certctl.web.answers import Answer

PREFIX: Final = "/static/"
_KINDS: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_KEPT = (b"Cache-Control", b"public, max-age=31536000, immutable")
_NOSNIFF = (b"X-Content-Type-Options", b"nosniff")
_POLICY = (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'")


class StaticFiles:
    """Read once; small enough to stay in memory."""

    def __init__(self, directory: Path) -> None:
        self._addresses: dict[str, str] = {}
        self._answers: dict[str, tuple[Answer, Answer]] = {}
        for file in sorted(directory.iterdir()):
            if file.suffix not in _KINDS:
                continue
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:16]
            address = f"{PREFIX}{file.stem}.{digest}{file.suffix}"
            headers = (
                (b"Content-Type", _KINDS[file.suffix]),
                _KEPT,
                _NOSNIFF,
                _POLICY,
                (b"Vary", b"Accept-Encoding"),
            )
            small = gzip.compress(body, mtime=0)
            self._addresses[file.name] = address
            self._answers[address] = (
                Answer(status=200, headers=headers, body=body),
                Answer(status=200, headers=(*headers, (b"Content-Encoding", b"gzip")), body=small),
            )

    def address(self, name: str) -> str:
        """The path of a file, for templates."""
        return self._addresses[name]

    def answer(self, path: str, headers: Mapping[bytes, bytes]) -> Answer | None:
        """The file at this path; None: there is none."""
        found = self._answers.get(path)
        if found is None:
            return None
        return found[b"gzip" in headers.get(b"accept-encoding", b"")]
