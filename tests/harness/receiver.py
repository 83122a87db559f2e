"""A receiver of events on loopback that answers as told and remembers what it was sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 40.0
PAUSE_SECONDS = 0.02


class NotReceived(AssertionError):
    """What was waited for did not come; the text shows what did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: tuple[str, int]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def id(self) -> str:
        return str(self.event["id"])

    def require_signed(self, secret: str) -> None:
        """As a receiver checks it: HMAC over the time, a dot and the body."""
        told = self.headers["X-Timestamp"].encode() + b"." + self.body
        wanted = hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(self.headers["X-Signature"], f"sha256={wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer: wait, then a status and a body; or hang up, or drip without an end."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: bool = False
    hangs_up: bool = False
    endless: bool = False


@dataclass
class Receiver:
    """``reply`` decides on each post; all of them are in ``posts``."""

    url: str = ""
    port: int = 0
    reply: Callable[[Post], Reply] = field(default=lambda _: Reply())
    posts: list[Post] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    """Set when it is left: who hangs goes on."""

    def says(self, **reply: Any) -> None:
        answer = Reply(**reply)
        self.reply = lambda _: answer

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        found = [post.event for post in list(self.posts)]
        return [each for each in found if kind in ("", each["type"])]

    def wait(self, enough: Callable[[list[Post]], object], seconds: float = WAIT_SECONDS) -> None:
        """Until the posts are what is wanted.

        Raises:
            NotReceived: they are not, in time.
        """
        deadline = time.monotonic() + seconds
        while not enough(list(self.posts)):
            if time.monotonic() > deadline:
                raise NotReceived([post.body for post in self.posts])
            time.sleep(PAUSE_SECONDS)


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Serve, over TLS where there is a context, until left."""
    service = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            post = Post(
                path=self.path,
                headers=dict(self.headers),
                body=self.rfile.read(int(self.headers["Content-Length"])),
                peer=self.client_address,
            )
            reply = service.reply(post)
            service.posts.append(post)
            if reply.hangs:
                service.released.wait(WAIT_SECONDS)
            if reply.hangs or reply.hangs_up:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.endless:
                self.send_header("Transfer-Encoding", "chunked")
            elif reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            try:
                self.wfile.write(reply.body)
                while reply.endless and not service.released.is_set():
                    self.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Clients that hang up are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service.port = server.server_port
    scheme = "https" if context else "http"
    service.url = f"{scheme}://localhost:{server.server_port}/hook?token=hook-token-9182"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
