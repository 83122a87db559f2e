"""A small HTTP server around the answers of one CA, for clients that only speak HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from certctl.domain.clock import Clock
from certctl.domain.errors import OcspRefused
from certctl.domain.ocsp import CertificateStanding
from certctl.issuers.ocsp_answers import OcspAnswers
from certctl.wire.ocsp_request import request_of_path, serial_of_path
from certctl.wire.ocsp_response import ERRORS

PREFIX = "/ocsp/iss-local/"


class Desk:
    """The records a responder looks into, and how often it had to sign."""

    def __init__(self, answers: OcspAnswers, clock: Clock) -> None:
        self.answers = answers
        self.clock = clock
        self.standings: dict[str, CertificateStanding] = {}
        self.signed = 0

    def reply(self, request: bytes) -> bytes:
        kept = self.answers.kept(request, now_us=self.clock())
        if kept is not None:
            return kept.der
        try:
            return self._sign(self.answers.read(request))
        except OcspRefused as err:
            return ERRORS[err.error]

    def reply_to_path(self, tail: bytes) -> bytes:
        serial = serial_of_path(tail)
        if serial is not None:
            return self._sign(self.answers.issuer.question(serial))
        try:
            return self.reply(request_of_path(tail))
        except OcspRefused as err:
            return ERRORS[err.error]

    def _sign(self, question) -> bytes:
        self.signed += 1
        epoch = self.answers.epoch
        return self.answers.answer(question, self.standings, now_us=self.clock(), epoch=epoch).der


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    """Serve until the end of the block; gives the URL, without a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(desk.reply_to_path(self.path[len(PREFIX) :].encode("ascii")))

        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/ocsp-request"
            self._answer(desk.reply(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_: object) -> None:
            """Tests have their own words."""

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{PREFIX.rstrip('/')}"
        finally:
            server.shutdown()
            thread.join(timeout=10)
