"""The OpenAPI 3.1 document, made from the table of endpoints."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from certctl.web.api.endpoint import Endpoint
from certctl.web.api.problems import PROBLEM_JSON
from certctl.web.api.table import ENDPOINTS

BEARER = "api_key"

DESCRIPTION = """\
Management API of certctl. Every refusal is a problem document (RFC 9457) that also carries
`error`, `message` and `request_id`. Lists are paged by cursor (`next_cursor`) or by number
(`page`). Writes may carry an `Idempotency-Key`: the same write with the same key within a day
changes nothing a second time and is answered as it was first."""

REFUSALS = {
    400: "The request is malformed.",
    401: "No key, or one that opens nothing.",
    403: "The key's role or scope does not cover this; the text says which does.",
    404: "There is no such thing, or this key does not see it.",
    409: "Not in a state for this.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    422: "A field cannot be used, or the Idempotency-Key came with another request.",
    429: "Too many requests.",
    500: "A fault of the server.",
    503: "Something is away; try again after Retry-After.",
}

# Answered below the API, as plain text, before anything of it is looked at.
EDGE_REFUSALS = {
    414: "The request target is longer than 2,048 octets.",
    431: "The header is too large.",
}

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error", "message", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string", "description": "A code for programs."},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
        "rule": {"type": "string"},
        "remedy": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
    "example": {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "This needs a key with the role admin.",
        "error": "forbidden",
        "message": "This needs a key with the role admin.",
        "request_id": "6f1c0b7e2a994d10",
    },
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same write with the same key is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def operation_extras(endpoint: Endpoint) -> dict[str, Any]:
    """What FastAPI is told of an endpoint beside its handler."""
    ref = {"schema": {"$ref": "#/components/schemas/Problem"}}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {PROBLEM_JSON: ref}}
        for status, text in REFUSALS.items()
        if endpoint.role is not None or status not in (401, 403)
    }
    for status, text in EDGE_REFUSALS.items():
        plain = {"text/plain": {"schema": {"type": "string"}}}
        responses[status] = {"description": text, "content": plain}
    if endpoint.answer is None:
        responses[endpoint.status] = {
            "description": "Done.",
            "content": {endpoint.media_type: {"schema": {"type": "string"}}},
        }
    extra: dict[str, Any] = {
        "x-required-role": endpoint.role.value if endpoint.role else "none",
        "x-unscoped-key": endpoint.whole,
        "security": [{BEARER: []}] if endpoint.role else [],
    }
    return {"responses": responses, "openapi_extra": extra}


def openapi_document(app: FastAPI, version: str) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title="certctl",
        version=version,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {
        BEARER: {"type": "http", "scheme": "bearer", "description": "A key of certctl."}
    }
    for each in ENDPOINTS:
        operation = document["paths"][each.full_path][each.method.lower()]
        if each.answer is None:
            # FastAPI would promise JSON beside it.
            content = operation["responses"][str(each.status)]["content"]
            content.pop("application/json", None)
        if each.is_write:
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        if each.example is not None:
            body = operation["requestBody"]["content"]["application/json"]
            body["example"] = each.example
    document["paths"] |= _HEALTH
    return document


def _health(summary: str, statuses: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "get": {
            "summary": summary,
            "tags": ["server"],
            "security": [],
            "x-required-role": "none",
            "responses": {
                status: {"description": text, "content": content}
                for status, text in statuses.items()
            },
        }
    }


_HEALTH = {
    "/health": _health("The process answers", {"200": "It does."}),
    "/ready": _health(
        "The server can do its work",
        {"200": "All parts are ready.", "503": "The body names the part that is not."},
    ),
}
