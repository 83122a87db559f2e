"""A device-state service on loopback that answers as told and remembers its questions."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

YES = b'{"allow": true}'


@dataclass
class HookService:
    """``answer`` is (status, body, further headers); ``wait_seconds`` come before it."""

    url: str = ""
    status: int = 200
    body: bytes = YES
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    questions: list[dict[str, Any]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    def says(
        self,
        body: bytes = YES,
        *,
        status: int = 200,
        wait: float = 0.0,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.body, self.wait_seconds = status, body, wait
        self.headers = headers or {}


@contextmanager
def hook_service(context: ssl.SSLContext | None = None) -> Iterator[HookService]:
    """Serve, over TLS where there is a context, until left."""
    service = HookService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            service.questions.append(json.loads(self.rfile.read(length)))
            service.connections.add(self.client_address)
            time.sleep(service.wait_seconds)
            self.send_response(service.status)
            for name, value in service.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            try:
                self.wfile.write(service.body)
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
    scheme = "https" if context else "http"
    service.url = f"{scheme}://localhost:{server.server_port}/state?token=hook-token-7351"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
