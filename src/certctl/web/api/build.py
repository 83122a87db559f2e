"""From the table of endpoints to one ASGI application: guard, then FastAPI."""

from __future__ import annotations

from dataclasses import replace

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.errors import Failure
from certctl.web.api.document import openapi_document, operation_extras
from certctl.web.api.endpoint import Table
from certctl.web.api.guard import Entrance, Guard
from certctl.web.api.problems import (
    ApiRefused,
    FieldFault,
    internal_error,
    problem_answer,
    refusal_of,
)
from certctl.web.api.rate import RateLimit
from certctl.web.api.services import Services
from certctl.web.api.table import ENDPOINTS
from certctl.web.api.tail import Tail


class Api:
    """The API of one worker; ``stop`` ends its streams and bulk revocations.

    The web pages stand on the same services, entrance and tail. ``inner`` is for requests
    of our own on behalf of a caller that the rate limit has counted already.
    """

    def __init__(self, services: Services, entrance: Entrance) -> None:
        app = fastapi_app()
        app.state.services = self.services = services
        app.state.tail = self.tail = Tail(services.read)
        self.entrance = entrance
        self._bulk = services.bulk
        unlimited = RateLimit(rate=0, burst=0, clock=entrance.clock)
        self.inner = Guard(app, Table(ENDPOINTS), replace(entrance, rate=unlimited))
        self._guard = Guard(app, Table(ENDPOINTS), entrance)
        self.document = openapi_document(app, services.version)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guard(scope, receive, send)

    def stop(self) -> None:
        self.tail.stop()
        self._bulk.stop()


def fastapi_app() -> FastAPI:
    """FastAPI with every endpoint; it serves nothing of its own accord."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    # Spelled-out paths before those with a name in them, as the guard's table has it.
    for each in sorted(ENDPOINTS, key=lambda each: each.path.count("{")):
        app.add_api_route(
            each.full_path,
            each.handler,
            methods=[each.method],
            response_model=each.answer,
            status_code=each.status,
            summary=each.summary,
            tags=[each.tag],
            operation_id=each.handler.__name__,
            **operation_extras(each),
        )
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ApiRefused, _refused)
    app.add_exception_handler(Failure, _failed)
    app.add_exception_handler(Exception, _fault)
    return app


def _response(request: Request, refused: ApiRefused) -> Response:
    answer = problem_answer(refused, request.scope["state"]["caller"].request_id)
    response = Response(answer.body, answer.status)
    response.raw_headers = [
        *((name.lower(), value) for name, value in answer.headers),
        (b"content-length", b"%d" % len(answer.body)),
    ]
    return response


async def _invalid(request: Request, err: Exception) -> Response:
    """What pydantic found, without the values: they may hold anything."""
    found = err.errors() if isinstance(err, RequestValidationError) else []
    faults = [
        FieldFault(field=".".join(str(part) for part in each["loc"]), problem=str(each["msg"]))
        for each in found[:20]
    ]
    refused = ApiRefused(422, "The request cannot be used.", error="invalid", faults=faults)
    return _response(request, refused)


async def _http(request: Request, err: Exception) -> Response:
    status = err.status_code if isinstance(err, HTTPException) else 500
    return _response(request, ApiRefused(status, "The request cannot be used."))


async def _refused(request: Request, err: Exception) -> Response:
    return _response(request, err if isinstance(err, ApiRefused) else internal_error())


async def _failed(request: Request, err: Exception) -> Response:
    return _response(request, refusal_of(err) if isinstance(err, Failure) else internal_error())


async def _fault(request: Request, _: Exception) -> Response:
    # Starlette raises it again afterwards, and the guard logs it.
    return _response(request, internal_error())
