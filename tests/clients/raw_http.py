"""HTTP over TLS written and read octet by octet: nothing is smoothed over."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass

from tests.harness.http import TIMEOUT_SECONDS, tls_context
from tests.harness.server import RunningServer

END_OF_HEADER = b"\r\n\r\n"
RECORD_OCTETS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """An answer exactly as it came, up to the server's close_notify.

    ``first_record`` is what the first TLS record held: some clients read no further
    for the header.
    """

    first_record: bytes
    everything: bytes

    @property
    def header(self) -> bytes:
        return self.everything.partition(END_OF_HEADER)[0]

    @property
    def body(self) -> bytes:
        return self.everything.partition(END_OF_HEADER)[2]

    @property
    def status_line(self) -> str:
        return self.header.split(b"\r\n")[0].decode()

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.header.decode("ascii").split("\r\n")[1:]
        return [(key, value) for key, _, value in (line.partition(": ") for line in lines)]

    def field(self, key: str) -> str | None:
        """The first with exactly this spelling."""
        return next((value for known, value in self.fields if known == key), None)


def exchange(server: RunningServer, request: bytes) -> RawAnswer:
    """Send once, read until the server closes TLS.

    Raises:
        ssl.SSLEOFError: it hung up without a close_notify.
        TimeoutError: it did not close.
    """
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT_SECONDS)
    with tls_context(server.ca_file).wrap_socket(
        plain, server_hostname="localhost", suppress_ragged_eofs=False
    ) as tls:
        tls.sendall(request)
        # One read gives at most one record.
        records = [tls.recv(RECORD_OCTETS)]
        while records[-1]:
            records.append(tls.recv(RECORD_OCTETS))
    return RawAnswer(first_record=records[0], everything=b"".join(records))


def get(path: str, *lines: str) -> bytes:
    return _request("GET", path, lines)


def post(path: str, body: bytes, *lines: str) -> bytes:
    return _request("POST", path, (*lines, f"Content-Length: {len(body)}")) + body


def authorization(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _request(method: str, path: str, lines: tuple[str, ...]) -> bytes:
    """With ``Connection: close`` and nothing else that was not asked for."""
    header = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    return "\r\n".join(header).encode() + END_OF_HEADER
