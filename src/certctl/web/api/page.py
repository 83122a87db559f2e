"""``/api/docs``: the OpenAPI document as one page, made here; no script, nothing from afar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE_PATH = "/api/docs/style.css"

POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

STYLE = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
h2 { border-bottom: 1px solid; margin-top: 3rem; }
h3 { margin: 2rem 0 0; font-family: ui-monospace, monospace; font-size: 1rem; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid; }
table { border-collapse: collapse; width: 100%; }
td, th { border: 1px solid; padding: .25rem .5rem; text-align: left; vertical-align: top; }
"""

Json = Mapping[str, Any]


def docs_page(document: Json) -> str:
    """The whole page, HTML."""
    return "\n".join(_page(document))


def _page(document: Json) -> Iterator[str]:
    info = document["info"]
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>certctl API</title><link rel="stylesheet" href="{STYLE_PATH}"></head><body>'
    yield f"<main><h1>certctl API, version {escape(info['version'])}</h1>"
    yield f"<p>{escape(info['description'])}</p>"
    yield '<p><a href="/api/v1/openapi.json">OpenAPI 3.1 document</a></p>'
    tags: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    yield "<nav><ul>"
    for tag in tags:
        yield f'<li><a href="#{_anchor(tag)}">{escape(tag)}</a></li>'
    yield "</ul></nav>"
    for tag, operations in tags.items():
        yield f'<section><h2 id="{_anchor(tag)}">{escape(tag)}</h2>'
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
        yield "</section>"
    yield "<section><h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=2))
        yield f'<h3 id="schema-{_anchor(name)}">{escape(name)}</h3><pre tabindex="0">{text}</pre>'
    yield "</section></main></body></html>"


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"<article><h3>{method} {escape(path)}</h3>"
    words = operation.get("description") or operation["summary"]
    role = operation["x-required-role"]
    needed = "Open to everybody." if role == "none" else f"Needs the role {escape(role)}."
    yield f"<p>{escape(words)} {needed}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><thead><tr><th>parameter</th><th>in</th><th>what</th></tr></thead><tbody>"
        for each in parameters:
            need = " (required)" if each.get("required") else ""
            cells = (each["name"] + need, each["in"], each.get("description", ""))
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        yield "</tbody></table>"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        example = escape(json.dumps(content.get("example", {}), indent=2))
        yield f'<p>Body{_link(content["schema"])}:</p><pre tabindex="0">{example}</pre>'
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = next(iter(response.get("content", {}).items()), None)
            kind = f": {escape(content[0])}{_link(content[1].get('schema', {}))}" if content else ""
            yield f"<p>Answer {escape(status)}{kind}</p>"
    yield "</article>"


def _link(schema: Json) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f', <a href="#schema-{_anchor(name)}">{escape(name)}</a>' if name else ""


def _anchor(text: str) -> str:
    return escape("".join(each if each.isalnum() else "-" for each in text))
