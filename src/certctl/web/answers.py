"""The one way an answer leaves: complete, with Content-Length, names in Title-Case.

Real EST clients compare header names case-sensitively, read no chunked answers and
keep the whole header in 1,000 octets; so nothing here streams and nothing is added.
"""

from __future__ import annotations

from msgspec import Struct

from certctl.domain.asgi import Send

Headers = tuple[tuple[bytes, bytes], ...]


class Answer(Struct, frozen=True, kw_only=True):
    """Status, headers beyond Content-Length, and the whole body."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    close: bool = False


async def send_answer(answer: Answer, send: Send) -> None:
    headers = [*answer.headers]
    if answer.status not in (204, 304):  # RFC 9110 §8.6: in a 304 it would be the 200's
        headers.append((b"Content-Length", b"%d" % len(answer.body)))
    if answer.close:
        # RFC 9110 §7.8: Upgrade is named in Connection as well.
        upgrades = any(name == b"Upgrade" for name, _ in answer.headers)
        headers.append((b"Connection", b"Upgrade, close" if upgrades else b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
