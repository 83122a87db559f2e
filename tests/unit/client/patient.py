"""A healthy EST server to plant faults in, the doctor before it, and a publisher of HTTP."""

from __future__ import annotations

import base64
import datetime as dt
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from certctl.client.address import Address
from certctl.client.doctor.examine import examine
from certctl.client.doctor.report import Report
from certctl.client.est import BasicAuth, EstServer
from certctl.client.tls import Trust
from certctl.wire.csrattrs import encode_csrattrs
from tests.harness.faulty_est import FaultyServer, Said, cas, certified

ROOT = certified("doctor root", ca=True, days=(-1, 3650))
SUB = certified("doctor sub", ROOT, ca=True, days=(-1, 3000))

ASKED = Said(401, b"who are you\n", {"WWW-Authenticate": 'Basic realm="est"'})
CSRATTRS = {"Content-Type": "application/csrattrs"}
WANTED = Said(200, base64.encodebytes(encode_csrattrs(ekus=["1.3.6.1.5.5.7.3.2"])), CSRATTRS)


def healthy() -> FaultyServer:
    """Nothing is wrong with it."""
    return FaultyServer(
        leaf=certified("est", SUB),
        chain=[SUB],
        answers={"cacerts": cas(ROOT, SUB), "csrattrs": WANTED, "simpleenroll": ASKED},
    )


@dataclass
class Patient:
    """``seconds``: how long the doctor waits for an answer, if that is less than usual."""

    directory: Path
    ca_file: Path
    seconds: float = 30

    def examined(self, server: FaultyServer, basic: BasicAuth | None = None) -> Report:
        with server.running(self.directory) as port:
            return examine(self.server(port, basic), lambda: dt.datetime.now(dt.UTC))

    def server(self, port: int, basic: BasicAuth | None = None) -> EstServer:
        return EstServer(
            address=Address(host="localhost", port=port),
            profile="corp",
            trust=Trust(ca_file=self.ca_file),
            basic=basic,
            timeout=self.seconds,
        )


def names(report: Report) -> set[str]:
    return {each.finding for each in report.findings}


@dataclass
class Publisher:
    """Serves one body over plain HTTP."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[str]:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append(self.path)
                self.send_response(publisher.status)
                for name, value in publisher.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.end_headers()
                self.wfile.write(publisher.body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join(10)
