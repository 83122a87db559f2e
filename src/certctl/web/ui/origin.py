"""Whether a write was begun by a page of ours (operator §2): no other site may write.

Browsers say with every POST where it comes from, in Origin or at least in Sec-Fetch-Site.
A request that says neither is refused: no browser of this decade sends one, and programs
have the API.
"""

from __future__ import annotations

from collections.abc import Mapping


def is_ours(headers: Mapping[bytes, bytes], public_url: str | None) -> bool:
    """The request's origin is the host it was sent to, or the server's public address."""
    origin = headers.get(b"origin")
    if origin is None:
        return headers.get(b"sec-fetch-site") == b"same-origin"
    host = headers.get(b"host")
    own = {b"https://" + host} if host else set()
    if public_url is not None:
        own.add(public_url.encode())
    return origin in own
