"""The EST operations over HTTP (RFC 7030, RFC 8951): raw ASGI, because this path is hot.

Gates 1 and 2 (method, route, size) are here; everything from authentication on is
``certctl.enroll``. Every failure from there on leaves one audit event and one counter
through ``_refuse``; success is recorded by the authority itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Any

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.audit import FAILED, AuditAction, AuditEvent, Outcome
from certctl.domain.errors import (
    BindingFailure,
    BodyTooLarge,
    CertificateRefused,
    CredentialMissing,
    Failure,
    InProgress,
    InternalError,
    Pending,
    WrongPassword,
)
from certctl.domain.ids import RandomBytes, request_id
from certctl.domain.ports import WrongAttempt
from certctl.domain.profiles import Base64Form, EstProfile, Operation, Route
from certctl.enroll.authenticate import judge_certificate
from certctl.enroll.pipeline import enroll
from certctl.enroll.ports import Ports
from certctl.enroll.refusals import RefusalFolder
from certctl.enroll.request import EstRequest
from certctl.obs.log import Log
from certctl.web import est_trace
from certctl.web.answer_labels import OK, answer_labels
from certctl.web.answers import Answer, send_answer
from certctl.web.csrattrs import CsrAttrsBodies
from certctl.web.problems import (
    REQUEST_ID,
    answer_of,
    not_found,
    problem_of,
    wants_json,
    wrong_method,
)
from certctl.web.routes import Endpoint
from certctl.web.through_proxy import Caller, ProxyGate
from certctl.wire.body import encode_base64, is_single_line
from certctl.wire.pkcs7 import certs_only

BASE64_HEADER = (b"Content-Transfer-Encoding", b"base64")
ENROLL_HEADERS = (
    (b"Content-Type", b"application/pkcs7-mime; smime-type=certs-only"),
    BASE64_HEADER,
)
CACERTS_HEADERS = ((b"Content-Type", b"application/pkcs7-mime"), BASE64_HEADER)
CSRATTRS_HEADERS = ((b"Content-Type", b"application/csrattrs"), BASE64_HEADER)
# CA certificates change once in years; a day keeps devices from asking at every boot.
CACHE_CONTROL = (b"Cache-Control", b"public, max-age=86400")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a profile answers to everybody, computed once.

    ``cacerts`` is given in DER and kept as base64 in both foldings, by ``wrapped``;
    ``chain`` stays DER.
    """

    cacerts: bytes
    chain: tuple[bytes, ...]
    cacerts_answers: Mapping[bool, tuple[bytes, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        answers = {}
        for wrapped in (True, False):
            body = encode_base64(self.cacerts, wrapped=wrapped)
            tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
            answers[wrapped] = (body, tag)
        object.__setattr__(self, "cacerts_answers", answers)


class _ClientGone(Exception):
    """The connection ended before the body did: there is no request, and nobody to answer."""


class EstApp:
    """ASGI application for everything below ``/.well-known/est`` and ``est-mtls``."""

    def __init__(
        self,
        routes: Mapping[bytes, Endpoint],
        published: Mapping[str, Published],
        ports: Ports,
        *,
        proxies: ProxyGate,
        folder: RefusalFolder,
        max_body: int,
        random: RandomBytes,
        log: Log,
        traced: bool = False,
    ) -> None:
        """``traced``: requests may have a trace, which is told of what they are."""
        self._traced = traced
        self._routes = routes
        self._published = published
        self._ports = ports
        self._proxies = proxies
        self._csrattrs = CsrAttrsBodies(ports)
        self._folder = folder
        self._max_body = max_body
        self._random = random
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(await self._answer(scope, receive), send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        began = perf_counter_ns()
        headers = dict(scope["headers"])
        number = request_id(self._random)
        endpoint = self._routes.get(scope["raw_path"])
        if endpoint is None:
            problem = not_found(tuple(Operation) if self._routes else ())
            return answer_of(problem, request_id=number, wants_json=wants_json(scope["headers"]))
        if scope["method"] not in endpoint.methods:
            problem = wrong_method(", ".join(endpoint.methods))
            return answer_of(problem, request_id=number, wants_json=wants_json(scope["headers"]))
        if self._traced:
            est_trace.begins(endpoint, number, scope)
        caller = self._proxies.caller(scope)
        try:
            caller.require_readable()
            body = await self._read_body(headers, receive)
            authorization = _authorization(scope["headers"])
            request = EstRequest(
                request_id=number,
                profile=endpoint.profile,
                route=endpoint.route,
                operation=endpoint.operation,
                tls=caller.tls,
                source=caller.source,
                authorization=authorization,
                body=body,
            )
            answer = await self._serve(request, headers)
            self._measure(endpoint, OK, began)
            return answer
        except _ClientGone:
            # The edge has answered by itself where there was still somebody to read it.
            return Answer(status=400)
        except Failure as failure:
            refused = failure
        except Exception as fault:  # noqa: BLE001 - the edge: unknown faults become 500 and a log
            self._log.error("request_failed", exc_info=fault, request_id=number)
            refused = InternalError()
        refused = await self._refuse(refused, endpoint, number, caller)
        self._measure(endpoint, answer_labels(refused), began)
        problem = problem_of(refused, endpoint.profile, endpoint.route)
        if refused.ends_connection:
            problem = replace(problem, close=True)
        if isinstance(refused, CredentialMissing) and _bare(headers):
            # Bouncy Castle closes a challenge unread and fails if there is a body to read.
            headers_only = (*problem.headers, (REQUEST_ID, number.encode()))
            return Answer(status=problem.status, headers=headers_only)
        return answer_of(problem, request_id=number, wants_json=wants_json(scope["headers"]))

    def _measure(self, endpoint: Endpoint, labels: tuple[str, str], began: int) -> None:
        path_id = endpoint.profile.path_id
        self._ports.metrics.answered(path_id, endpoint.operation, *labels, began_ns=began)
        if self._traced:
            est_trace.answered(*labels, by_device_state=path_id in self._ports.device_states)

    async def _read_body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body, at most ``EST_MAX_BODY`` after transfer decoding.

        Raises:
            BodyTooLarge: announced or found.
            _ClientGone: what arrived is not the whole body, however complete it looks.
        """
        announced = headers.get(b"content-length")
        if announced is not None and int(announced) > self._max_body:
            raise BodyTooLarge(self._max_body)
        message = await _next_part(receive)
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        parts = [body]
        size = len(body)
        while message.get("more_body"):
            message = await _next_part(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body:
                raise BodyTooLarge(self._max_body)
        return b"".join(parts)

    async def _serve(self, request: EstRequest, headers: Mapping[bytes, bytes]) -> Answer:
        published = self._published[request.profile.path_id]
        match request.operation:
            case Operation.CACERTS:
                self._require_reader(request)
                return self._cacerts(request.profile, published, headers)
            case Operation.CSRATTRS:
                self._require_reader(request)
                wrapped = _get_wrapped(request.profile, headers)
                body = self._csrattrs.body(request.profile, wrapped=wrapped)
                if not body:
                    return Answer(status=204)
                return Answer(status=200, headers=CSRATTRS_HEADERS, body=body)
            case Operation.SIMPLEENROLL | Operation.SIMPLEREENROLL:
                enrolled = await enroll(request, self._ports)
                if self._traced:
                    est_trace.issued(enrolled.issued.der)
                certificates = [enrolled.issued.der]
                if request.profile.include_chain:
                    certificates += published.chain
                wrapped = _post_wrapped(request.profile, request.body)
                return Answer(
                    status=200,
                    headers=ENROLL_HEADERS,
                    body=encode_base64(certs_only(certificates), wrapped=wrapped),
                    # RFC 9266 §4.1: a binding authenticates once per connection.
                    close=enrolled.binding.binds,
                )

    def _require_reader(self, request: EstRequest) -> None:
        """Cacerts and csrattrs are public on the standard route (est §3)."""
        if request.route is Route.MTLS:
            if not request.tls.peer_chain:
                raise CertificateRefused("missing")
            judge_certificate(request, self._ports)

    def _cacerts(
        self, profile: EstProfile, published: Published, headers: Mapping[bytes, bytes]
    ) -> Answer:
        body, tag = published.cacerts_answers[_get_wrapped(profile, headers)]
        validators = ((b"ETag", tag), CACHE_CONTROL)
        if tag in headers.get(b"if-none-match", b""):
            return Answer(status=304, headers=validators)
        return Answer(status=200, headers=(*CACERTS_HEADERS, *validators), body=body)

    async def _refuse(
        self, failure: Failure, endpoint: Endpoint, number: str, caller: Caller
    ) -> Failure:
        """The one place where a refusal becomes an event, a counter and a log line.

        Gives the refusal to be answered. A wrong password waits for the authority to count
        it, and may turn out to be one too many (est §3).
        """
        if isinstance(failure, CredentialMissing | Pending | InProgress):
            # The first half of a challenge; and what waits was recorded when it began to.
            return failure
        event = self._event_of(failure, endpoint, number, caller)
        counted = False
        if isinstance(failure, WrongPassword):
            try:
                attempt = WrongAttempt(event=event, counter=failure.counter)
                await self._ports.authority.judge_attempt(event.source_address, attempt)
                counted = True
            except Failure as instead:
                failure = instead
                event = self._event_of(failure, endpoint, number, caller)
        # What happened at a CA outside the authority records by itself.
        counted = counted or failure.on_record
        if counted or self._folder.add(event, failure.counter):
            # A CSR of another connection is a man in the middle, or a client's bad fault.
            alarming = isinstance(failure, BindingFailure) and failure.reason == "mismatch"
            write = self._log.error if alarming else self._log.info
            write(
                "enroll_refused",
                profile=event.profile,
                action=event.action.value,
                reason=failure.reason,
                source=event.source_address,
                request_id=number,
            )
        return failure

    def _event_of(
        self, failure: Failure, endpoint: Endpoint, number: str, caller: Caller
    ) -> AuditEvent:
        source = caller.source
        via = caller.tls.via
        profile = endpoint.profile
        known = failure.caller
        shown = known.credential if known is not None else None
        name = known.name if known is not None else getattr(failure, "user", "")
        details = dict(failure.details())
        if via:
            details["via"] = via
        if shown is not None and shown.registration_authority:
            details["registration_authority"] = shown.subject
        action = failure.action or FAILED.get(endpoint.operation, AuditAction.SIMPLE_ENROLL_FAILED)
        return AuditEvent(
            time_us=self._ports.clock(),
            actor=f"est-client:{name or getattr(failure, 'subject', '') or source}",
            actor_type="est-client",
            action=action,
            outcome=Outcome.FAILURE,
            profile=profile.path_id,
            resource_type="est",
            resource_id=endpoint.operation.value,
            source_address=source,
            request_id=number,
            auth_mode=known.auth_mode.value if known is not None else "",
            client_certificate_subject=shown.subject if shown else getattr(failure, "subject", ""),
            client_certificate_serial=shown.serial if shown else getattr(failure, "serial", ""),
            tls_version=caller.tls.version,
            details=details,
            tenant=profile.tenant,
        )


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """All Authorization headers as one (RFC 9110 §5.3): two credentials are none."""
    given = [value for name, value in headers if name == b"authorization" and value]
    return b", ".join(given).decode("latin-1") if given else None


async def _next_part(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _ClientGone
    return message


def _bare(headers: Mapping[bytes, bytes]) -> bool:
    """Programs made for EST alone send neither User-Agent nor Accept; people's tools do."""
    return b"user-agent" not in headers and b"accept" not in headers


def _get_wrapped(profile: EstProfile, headers: Mapping[bytes, bytes]) -> bool:
    """``auto``: strongSwan 5.9.8 reads only unfolded answers, and is known by being bare."""
    match profile.base64_form:
        case Base64Form.AUTO:
            return not _bare(headers)
        case Base64Form.WRAPPED:
            return True
        case Base64Form.SINGLE_LINE:
            return False


def _post_wrapped(profile: EstProfile, body: bytes) -> bool:
    """``auto``: a client that sends one line gets one line."""
    match profile.base64_form:
        case Base64Form.AUTO:
            return not is_single_line(body)
        case Base64Form.WRAPPED:
            return True
        case Base64Form.SINGLE_LINE:
            return False
