"""The page of all endpoints, made from the code: ``python -m certctl.web.api.reference``.

``docs/reference/rest.md`` is its output; a test holds the two together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from certctl.web.api.build import fastapi_app
from certctl.web.api.document import DESCRIPTION, REFUSALS, openapi_document
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.table import ENDPOINTS

HEAD = f"""\
# REST

Generated from the code by `python -m certctl.web.api.reference`; do not edit.

{DESCRIPTION}

The server has the same as an OpenAPI 3.1 document at `/api/v1/openapi.json` and as a page at
`/api/docs`. Keys are sent as `Authorization: Bearer KEY`; how to make and use one stands in
[Use the REST API](../how-to/use-the-rest-api.md). *Whole* marks what a key that is held to a tenant
or to EST profiles may not do; everywhere else it sees and does what is of its part alone.
"""


def page() -> str:
    """The whole page (Markdown)."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    document = openapi_document(fastapi_app(), "")
    yield HEAD
    yield "| method | path | role | |"
    yield "|---|---|---|---|"
    for path in ("/health", "/ready"):
        yield f"| GET | `{path}` | none | {document['paths'][path]['get']['summary']} |"
    for each in ENDPOINTS:
        role = (each.role.value if each.role else "none") + (", *whole*" if each.whole else "")
        yield f"| {each.method} | `{each.full_path}` | {role} | {each.summary} |"
    yield "\n## Refusals\n"
    yield "| status | when |"
    yield "|---|---|"
    for status, text in REFUSALS.items():
        yield f"| {status} | {text} |"
    for each in ENDPOINTS:
        yield from _endpoint(each, document["paths"][each.full_path][each.method.lower()])


def _endpoint(endpoint: Endpoint, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {endpoint.method} {endpoint.full_path}\n"
    yield operation["description"]
    parameters = operation.get("parameters", [])
    if parameters:
        yield "\n| parameter | in | takes | |"
        yield "|---|---|---|---|"
    for each in parameters:
        name = f"`{each['name']}`" + (" (required)" if each.get("required") else "")
        takes = _takes(each["schema"]).replace("|", "\\|")
        yield f"| {name} | {each['in']} | {takes} | {each.get('description', '')} |"
    if endpoint.example is not None:
        yield f"\n```json\n{json.dumps(endpoint.example)}\n```"
    answer = operation["responses"][str(endpoint.status)]["content"]
    yield f"\nAnswer {endpoint.status}: `{next(iter(answer))}`."


def _takes(schema: Mapping[str, Any]) -> str:
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    parts = []
    for kind in kinds:
        name = kind.get("$ref", "").rpartition("/")[2] or kind.get("format") or kind.get("type", "")
        limits = [f"`{kind['pattern']}`"] if "pattern" in kind else []
        limits += [f"from {kind['minimum']}"] if "minimum" in kind else []
        limits += [f"to {kind['maximum']}"] if "maximum" in kind else []
        parts.append(" ".join([name, *limits]))
    return ", ".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
