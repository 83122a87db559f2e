"""HTTP/1.1 on a connection of ours (RFC 9112), by h11: one request, one answer, closed.

A connection of its own for each request costs a handshake, and is what channel binding
wants (RFC 9266 §4.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import h11

from certctl import __version__
from certctl.client.address import Address
from certctl.client.failures import BadAnswer, Refused, StillPending, Words, words_of

MAX_BODY = 4 * 1024 * 1024
"""More than any chain or CRL-free answer of EST; bounds what a bad server can make us hold."""

USER_AGENT = f"certctl/{__version__}"


class Carrier(Protocol):
    """A connection, TLS or not; both raise what ``exchange`` does."""

    def sendall(self, data: bytes) -> None: ...

    def receive(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer; header names in lower case, the first of each name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> int | None:
        """Seconds; None where there is none, or a date."""
        text = self.headers.get("retry-after", "").strip()
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None

    @property
    def words(self) -> Words:
        return words_of(
            self.body,
            self.headers.get("content-type", ""),
            self.headers.get("x-request-id", ""),
        )

    def refused(self, asked: str) -> Refused:
        """The failure that this answer is."""
        kind = StillPending if self.status == 202 else Refused
        failure = kind(self.status, self.words, asked=asked, retry_after=self.retry_after)
        if self.status in range(300, 400):
            failure.remedy = "Redirects are not followed: give the URL of the server itself."
        return failure


def exchange(
    connection: Carrier,
    address: Address,
    *,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Answer:
    """Send a request and read its answer to the end.

    Raises:
        BadAnswer: not HTTP, or too long.
        Unreachable: the connection broke or the time was over.
    """
    sent = {"Host": address.authority, "User-Agent": USER_AGENT, "Connection": "close", **headers}
    if method == "POST":
        sent["Content-Length"] = str(len(body))
    state = h11.Connection(h11.CLIENT)
    head = state.send(h11.Request(method=method, target=path, headers=list(sent.items())))
    rest = state.send(h11.Data(data=body)) if body else b""
    state.send(h11.EndOfMessage())
    connection.sendall((head or b"") + (rest or b""))
    try:
        return _read(connection, state)
    except h11.RemoteProtocolError as err:
        raise BadAnswer(
            f"The server's answer is not HTTP: {err}.", "Is it the right port?"
        ) from err


def _read(connection: Carrier, state: h11.Connection) -> Answer:
    status = 0
    headers: dict[str, str] = {}
    parts: list[bytes] = []
    size = 0
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA:
            state.receive_data(connection.receive())
        elif isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > MAX_BODY:
                raise BadAnswer(f"The server's answer is longer than {MAX_BODY} octets.")
            parts.append(bytes(event.data))
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return Answer(status=status, headers=headers, body=b"".join(parts))
