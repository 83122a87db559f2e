"""The page of all tools, made from the code: ``python -m certctl.mcp.reference``.

``docs/reference/mcp.md`` is its output; a test holds the two together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from certctl.mcp.table import TOOLS
from certctl.mcp.tool import Tool
from certctl.mcp.untrusted import NOTE

HEAD = f"""\
# MCP tools

Generated from the code by `python -m certctl.mcp.reference`; do not edit.
How to connect an assistant: [mcp](../how-to/mcp.md).

Every result is structured, and its JSON schema is listed with the tool. Text from outside stands
alone in an object with the key `untrusted`, and each result says so:

> {NOTE}

A failure is a result with `isError` whose text is JSON: `error` (a code), `message`, `remedy`,
`request_id` (as in the audit trail and the log; empty where no server was asked), and where a
server wrote about it `server_said`, marked as untrusted.

The program `certctl-mcp` reads the files that a tool names. At `/mcp` the server reads none, and
everything is PEM.

| tool | API key | |
|---|---|---|
"""


def page() -> str:
    """The whole page (Markdown)."""
    rows = "".join(
        f"| [`{each.name}`](#{each.name}) | {_key(each)} | {each.title} |\n" for each in TOOLS
    )
    return HEAD + rows + "".join(f"\n{section}" for section in map(_section, TOOLS))


def _key(tool: Tool) -> str:
    return tool.role or "any; none with `certctl-mcp`"


def _section(tool: Tool) -> str:
    return "\n".join(_lines(tool)) + "\n"


def _lines(tool: Tool) -> Iterator[str]:
    yield f"## {tool.name}\n\n{tool.description}"
    if tool.here:
        yield f"\nAt `/mcp`: {tool.here}"
    schema = tool.arguments.model_json_schema()
    required = schema.get("required", [])
    if fields := schema.get("properties"):
        yield "\n| argument | takes | |\n|---|---|---|"
        for name, field in fields.items():
            needed = ", required" if name in required else _default(field)
            yield f"| `{name}` | {_takes(field)}{needed} | {field.get('description', '')} |"
    if tool.result is None:
        yield "\nNever has a result."
        return
    result = tool.result.model_json_schema()
    yield "\n| result | is | |\n|---|---|---|"
    for name, field in result["properties"].items():
        if name != "note":
            yield f"| `{name}` | {_takes(field)} | {field.get('description', '')} |"
    for name, shape in result.get("$defs", {}).items():
        if name != "Untrusted":
            fields = ", ".join(
                f"`{field}`{' (untrusted)' if 'Untrusted' in json.dumps(kind) else ''}"
                for field, kind in shape["properties"].items()
            )
            yield f"\n**{name}**: {fields}."


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return f"; `{json.dumps(default)}`" if default not in (None, "") else ""


def _takes(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return f"{field['$ref'].rpartition('/')[2]}"
    if "anyOf" in field:
        return " or ".join(_takes(each) for each in field["anyOf"] if each != {"type": "null"})
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_takes(field['items'])}"
    if kind == "integer" and "maximum" in field:
        return f"integer, {field['minimum']} to {field['maximum']}"
    return kind


if __name__ == "__main__":
    sys.stdout.write(page())
