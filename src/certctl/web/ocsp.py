"""OCSP over HTTP (RFC 6960 appendix A, RFC 5019): GET, GET by serial number, POST.

An answer that was signed before is given again only while the records still say the
same, which is asked at most a second ago: on this worker or another, a revocation shows
at once. Whatever comes in, the answer is an OCSP answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.errors import OcspRefused, StoreUnavailable
from certctl.domain.ocsp import CertificateStanding, OcspAnswer, OcspError, Standing
from certctl.domain.ports.status import StatusReads
from certctl.web.answers import Answer, send_answer
from certctl.web.conditional import Validators, http_date
from certctl.web.problems import TEXT
from certctl.web.rate import MinuteLimit
from certctl.wire.ocsp_request import (
    MAX_REQUEST,
    OcspIssuer,
    OcspQuestion,
    request_of_path,
    serial_of_path,
)
from certctl.wire.ocsp_response import ERRORS

TYPE: Final = (b"Content-Type", b"application/ocsp-response")
NO_STORE: Final = (b"Cache-Control", b"no-store")

SEEN_US: Final = 900_000
"""For so long what the records said of a certificate is not asked again."""

MAX_SEEN: Final = 50_000

MAX_AGE_S: Final = 60
"""A cache on the way must not hide a revocation for as long as an answer is valid."""


class Answers(Protocol):
    """The desk of one CA's responder (``issuers.ocsp_answers``)."""

    issuer: OcspIssuer
    epoch: int

    def kept(self, request: bytes, *, now_us: int) -> OcspAnswer | None: ...
    def kept_for_serial(self, serial: str, *, now_us: int) -> OcspAnswer | None: ...
    def read(self, request: bytes) -> OcspQuestion: ...
    def answer(
        self,
        question: OcspQuestion,
        standings: Mapping[str, CertificateStanding],
        *,
        now_us: int,
        epoch: int,
    ) -> OcspAnswer: ...
    def forget(self, serial: str) -> None: ...


class OcspDesk:
    """One issuer's answers, compared with its records."""

    def __init__(self, issuer_id: str, answers: Answers, records: StatusReads) -> None:
        self._issuer_id = issuer_id
        self._answers = answers
        self._records = records
        self._seen: dict[str, int] = {}

    def answer(self, request: bytes, now_us: int) -> OcspAnswer:
        """The answer to a request (DER).

        Raises:
            OcspRefused: with the error to be told.
            StoreUnavailable: the records cannot be read now.
        """
        kept = self._answers.kept(request, now_us=now_us)
        if kept is not None and self._is_so(kept, now_us):
            return kept
        return self._sign(self._answers.read(request), now_us)

    def answer_for_serial(self, serial: str, now_us: int) -> OcspAnswer:
        """The same for a serial number alone (lower-case hex without padding)."""
        kept = self._answers.kept_for_serial(serial, now_us=now_us)
        if kept is not None and self._is_so(kept, now_us):
            return kept
        return self._sign(self._answers.issuer.question(serial), now_us)

    def _sign(self, question: OcspQuestion, now_us: int) -> OcspAnswer:
        epoch = self._answers.epoch
        serials = {each.serial for each in question.cert_ids}
        standings = self._records.standings(self._issuer_id, serials)
        answer = self._answers.answer(question, standings, now_us=now_us, epoch=epoch)
        if answer.serial:
            self._note(answer.serial, now_us)
        return answer

    def _is_so(self, kept: OcspAnswer, now_us: int) -> bool:
        """Whether the records say what a kept answer says."""
        serial = kept.serial
        if 0 <= now_us - self._seen.get(serial, 0) < SEEN_US:
            return True
        found = self._records.standings(self._issuer_id, (serial,))
        if found.get(serial, Standing.UNKNOWN) != kept.standing:
            self._answers.forget(serial)
            return False
        self._note(serial, now_us)
        return True

    def _note(self, serial: str, now_us: int) -> None:
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()  # all are asked once more, which does no harm
        self._seen[serial] = now_us


class OcspApp:
    """Everything below ``/.well-known/pki/ocsp/``."""

    def __init__(
        self,
        desks: Mapping[str, OcspDesk],
        *,
        issuers: Collection[str],
        limit: MinuteLimit | None,
        source: Callable[[Scope], str | None],
        clock: Clock,
        on_answer: Callable[[str, str], None] = lambda _issuer, _outcome: None,
    ) -> None:
        """Take the desks of those of ``issuers`` that have a responder.

        Both may change while they are served. ``source`` tells whom the ``limit`` counts a
        request for; None: nobody. ``on_answer`` hears the issuer and how it was answered:
        told, refused, unavailable or limited.
        """
        self._desks = desks
        self._issuers = issuers
        self._limit = limit
        self._source = source
        self._clock = clock
        self._on_answer = on_answer

    async def __call__(self, tail: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """``tail`` is the raw path from the issuer's id on."""
        name, _, asked = tail.partition(b"/")
        issuer_id = name.decode("ascii")
        if issuer_id not in self._issuers:
            answer = Answer(status=404, headers=(TEXT,), body=b"No such issuer.\n")
        elif self._is_too_much(scope):
            self._on_answer(issuer_id, "limited")
            retry = (b"Retry-After", b"60")
            error = ERRORS[OcspError.TRY_LATER]
            answer = Answer(status=429, headers=(TYPE, NO_STORE, retry), body=error)
        else:
            match scope["method"]:
                case "POST" if not asked:
                    answer = await self._post(issuer_id, receive)
                case "GET" | "HEAD" if asked:
                    answer = self._get(issuer_id, asked, dict(scope["headers"]))
                case _:
                    allow = (b"Allow", b"GET, HEAD" if asked else b"POST")
                    body = b"POST a request here, or GET it in base64 below.\n"
                    answer = Answer(status=405, headers=(TEXT, allow), body=body)
        await send_answer(answer, send)

    def _is_too_much(self, scope: Scope) -> bool:
        source = self._source(scope) if self._limit is not None else None
        if source is None or self._limit is None:
            return False
        return not self._limit.allows(source, self._clock())

    async def _post(self, issuer_id: str, receive: Receive) -> Answer:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return Answer(status=400, close=True)  # the client has gone
            body += message.get("body", b"")
            if len(body) > MAX_REQUEST:
                return _error(OcspError.MALFORMED_REQUEST, close=True)
            if not message.get("more_body"):
                break
        request = bytes(body)
        answer = self._told(issuer_id, lambda desk, now_us: desk.answer(request, now_us))
        return (
            answer
            if isinstance(answer, Answer)
            else Answer(status=200, headers=(TYPE, NO_STORE), body=answer.der)
        )

    def _get(self, issuer_id: str, asked: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        serial = serial_of_path(asked)

        def ask(desk: OcspDesk, now_us: int) -> OcspAnswer:
            if serial is not None:
                return desk.answer_for_serial(serial, now_us)
            return desk.answer(request_of_path(asked), now_us)

        answer = self._told(issuer_id, ask)
        if isinstance(answer, Answer):
            return answer
        age_s = min(MAX_AGE_S, answer.max_age_s(self._clock()))
        if age_s <= 0:
            return Answer(status=200, headers=(TYPE, NO_STORE), body=answer.der)
        validators = Validators(etag=f'"{answer.etag}"'.encode(), modified_us=answer.produced_us)
        # RFC 5019 §6.2; Expires for caches that know no Cache-Control.
        common = (
            *validators.headers(),
            (b"Expires", http_date(self._clock() + age_s * SECOND_US)),
            (b"Cache-Control", b"public, no-transform, must-revalidate, max-age=%d" % age_s),
        )
        if validators.is_known(headers):
            return Answer(status=304, headers=common)
        return Answer(status=200, headers=(TYPE, *common), body=answer.der)

    def _told(
        self, issuer_id: str, ask: Callable[[OcspDesk, int], OcspAnswer]
    ) -> OcspAnswer | Answer:
        desk = self._desks.get(issuer_id)
        answer: OcspAnswer | Answer
        if desk is None:
            outcome, answer = "unavailable", _error(OcspError.TRY_LATER)
        else:
            try:
                outcome, answer = "told", ask(desk, self._clock())
            except OcspRefused as refused:
                outcome, answer = "refused", _error(refused.error)
            except StoreUnavailable:
                outcome, answer = "unavailable", _error(OcspError.TRY_LATER)
        self._on_answer(issuer_id, outcome)
        return answer


def _error(error: OcspError, *, close: bool = False) -> Answer:
    """RFC 6960 §2.3: unsigned, and over HTTP a success like any answer of OCSP."""
    return Answer(status=200, headers=(TYPE, NO_STORE), body=ERRORS[error], close=close)
