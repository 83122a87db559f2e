"""Devices that want their certificate whatever happens: they repeat until they are answered.

A request is asked again, byte for byte, after any broken connection and any 503, as a
device does that cannot know what became of it. Each request has a key and a CSR of its
own, so that its CSR's hash names it on record.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.chaos.verdict import Received
from tests.harness.device import Device, certificates_of
from tests.harness.http import Response, basic, fetch, tls_context
from tests.harness.server import RunningServer

EST = "/.well-known/est/demo"
PAUSE_SECONDS = 0.05
"""Between two attempts: shorter than any Retry-After, to meet more of the trouble."""
ANSWER_SECONDS = 90.0
"""No request may go unanswered for so long."""
RENEWED = 1 / 3
ASKED_AGAIN = 1 / 8


class NoAnswer(AssertionError):
    """A request got no certificate in time, or an answer that no kill explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One enrollment, to be sent as often as it takes."""

    operation: str
    body: bytes
    headers: dict[str, str]
    context: ssl.SSLContext
    csr_sha256: bytes


@dataclass
class Ledger:
    """What all clients together were given. Written by many threads."""

    received: list[Received] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    attempts: int = 0
    broken: int = 0
    unavailable: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_attempt(self, status: int | None) -> None:
        """``None``: the connection broke."""
        with self._lock:
            self.attempts += 1
            self.broken += status is None
            self.unavailable += status == http.HTTPStatus.SERVICE_UNAVAILABLE

    def note_received(self, received: Received) -> None:
        with self._lock:
            self.received.append(received)

    def note_problem(self, problem: str) -> None:
        with self._lock:
            self.problems.append(problem)


@dataclass
class Applicant:
    """Makes requests as a device of the quick start's profile and notes its answers."""

    server: RunningServer
    ledger: Ledger
    password: str
    context: ssl.SSLContext

    def enrollment(self, device: Device, *, user: str | None = None) -> Request:
        """With Basic, under the device's own name unless ``user`` is given."""
        return self._request(device, "simpleenroll", self.context, user or device.common_name)

    def renewal(self, device: Device, old: Device) -> Request:
        """By the certificate of ``old``, for the new key of ``device``."""
        context = tls_context(
            self.server.ca_file, certificate=old.certificate_file, key=old.key_file
        )
        return self._request(device, "simplereenroll", context)

    def _request(
        self, device: Device, operation: str, context: ssl.SSLContext, user: str | None = None
    ) -> Request:
        csr = device.csr()
        headers = {"Content-Type": "application/pkcs10"}
        if user is not None:
            headers |= basic(user, self.password)
        return Request(
            operation=operation,
            body=device.body(csr),
            headers=headers,
            context=context,
            csr_sha256=hashlib.sha256(csr.public_bytes(Encoding.DER)).digest(),
        )

    def ask(self, request: Request) -> Received:
        """Repeat until it is granted.

        Raises:
            NoAnswer: not in ``ANSWER_SECONDS``, or with another status than 200 and 503.
        """
        answer = self.answer(request)
        if answer.status != http.HTTPStatus.OK:
            raise NoAnswer(f"{request.operation}: {answer.status} {answer.text}")
        received = _received(request, answer)
        self.ledger.note_received(received)
        return received

    def answer(self, request: Request) -> Response:
        """Repeat until there is another answer than 503.

        Raises:
            NoAnswer: not in ``ANSWER_SECONDS``.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            answer = self.attempt(request)
            if answer is not None and answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(PAUSE_SECONDS)
        raise NoAnswer(f"{request.operation}: nothing in {ANSWER_SECONDS} s")

    def attempt(self, request: Request) -> Response | None:
        """Once; None when the connection broke."""
        try:
            answer = fetch(
                self.server,
                "POST",
                f"{EST}/{request.operation}",
                body=request.body,
                headers=request.headers,
                context=request.context,
            )
        except (OSError, http.client.HTTPException):
            self.ledger.note_attempt(None)
            return None
        self.ledger.note_attempt(answer.status)
        return answer


def applicant(server: RunningServer, ledger: Ledger) -> Applicant:
    """For a running server with a profile ``demo`` and its password where a quick start has it."""
    password = (server.ca_file.parent.parent / "enrollment-password").read_text().strip()
    return Applicant(
        server=server, ledger=ledger, password=password, context=tls_context(server.ca_file)
    )


class Client(threading.Thread):
    """One device after the other until told to stop; what was begun is still finished."""

    def __init__(
        self, number: int, applicant: Applicant, *, directory: Path, think_seconds: float
    ) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._number = number
        self._applicant = applicant
        self._directory = directory
        self._think_seconds = think_seconds
        self._random = random.Random(number)  # noqa: S311 - no secret is made of it
        self._ending = threading.Event()

    def stop(self) -> None:
        self._ending.set()

    def run(self) -> None:
        turn = 0
        while not self._ending.wait(self._think_seconds):
            turn += 1
            try:
                self._one_device(f"device-{self._number}-{turn}")
            except NoAnswer as failed:
                self._applicant.ledger.note_problem(f"{self.name}: {failed}")
                return

    def _one_device(self, common_name: str) -> None:
        device = Device(self._directory, common_name=common_name)
        self._obtain(self._applicant.enrollment(device), device)
        if self._random.random() < RENEWED:
            successor = Device(self._directory, common_name=common_name)
            try:
                request = self._applicant.renewal(successor, device)
            finally:
                device.key_file.unlink()
                device.certificate_file.unlink()
            self._obtain(request, successor)

    def _obtain(self, request: Request, device: Device) -> None:
        received = self._applicant.ask(request)
        device.certificate = x509.load_der_x509_certificate(received.certificate)
        if self._random.random() < ASKED_AGAIN:
            self._applicant.ask(request)


def _received(request: Request, answer: Response) -> Received:
    (certificate,) = certificates_of(answer.body)
    return Received(
        csr_sha256=request.csr_sha256,
        certificate=certificate.public_bytes(Encoding.DER),
        serial=f"{certificate.serial_number:x}",
    )
