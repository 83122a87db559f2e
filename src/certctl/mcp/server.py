"""The tools as a server of the SDK: lists them, checks what they are given, tells failures.

The SDK's low-level server, because the other one writes its own texts around failures and
sets up logging for the whole process. Here is the one table from failures to what a
model reads: JSON with a code, a sentence, the remedy and the request id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ListedTool
from pydantic import ValidationError

from certctl import __version__
from certctl.domain.plain_text import shown
from certctl.mcp.backend import Backend, ToolFailure
from certctl.mcp.table import TOOLS
from certctl.mcp.tool import Tool
from certctl.mcp.untrusted import NOTE, untrusted

NAME: Final = "certctl"

INSTRUCTIONS: Final = (
    "Tools of certctl, an EST (RFC 7030) enrollment server. A tool may do what its API key and"
    f" its EST credentials may do, nothing else. {NOTE}"
)

MOST_FAULTS: Final = 20

_BY_NAME: Final = {each.name: each for each in TOOLS}

Context = ServerRequestContext[Any, Any]


def mcp_server(
    backend_of: Callable[[Context], Backend], failed: Callable[[str, Exception], None]
) -> Server[Any]:
    """The server; ``backend_of`` says on whose behalf a call is, ``failed`` hears of faults
    of ours: the tool's name, and what was raised.
    """

    # Made once: schemas take tens of milliseconds, in which nobody else would be served.
    offered = [listed(each) for each in TOOLS]
    taken = {each.name: each.input_schema for each in offered}

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=offered)

    async def call_tool(context: Context, called: CallToolRequestParams) -> CallToolResult:
        tool = _BY_NAME.get(called.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"There is no tool {shown(called.name)}.")
        backend = backend_of(context)
        try:
            asked = _read(tool, called.arguments or {})
            result = (await tool.run(backend, asked)).model_dump(mode="json")
        except ToolFailure as failure:
            return _told(failure, backend)
        except Exception as fault:  # noqa: BLE001 - the edge: unknown faults become a text and a log
            failed(tool.name, fault)
            return _told(
                ToolFailure(
                    "internal_error",
                    "This failed by a fault of certctl.",
                    remedy="Give the operator the request id and the time.",
                ),
                backend,
            )
        text = json.dumps(result, ensure_ascii=False)
        return CallToolResult(content=[TextContent(text=text)], structured_content=result)

    return Server(
        NAME,
        version=__version__,
        title="certctl: EST enrollment",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=taken.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def listed(tool: Tool) -> ListedTool:
    """A tool as clients see it."""
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        output_schema=tool.result.model_json_schema() if tool.result is not None else None,
        annotations=ToolAnnotations(
            read_only_hint=not tool.changes,
            destructive_hint=False,
            # The same request again gives the same certificate.
            idempotent_hint=True,
            open_world_hint=tool.name == "est_doctor",
        ),
    )


def _read(tool: Tool, given: dict[str, Any]) -> Any:
    try:
        return tool.arguments.model_validate(given)
    except ValidationError as err:
        # Without the values: they may hold anything.
        faults = [
            f"{shown('.'.join(map(str, each['loc'])))}: {each['msg']}"
            for each in err.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise ToolFailure(
            "invalid_arguments",
            f"The arguments cannot be used. {'; '.join(faults[:MOST_FAULTS])}.",
            remedy=f"{tool.name} takes: {', '.join(tool.arguments.model_fields) or 'nothing'}.",
        ) from err


def _told(failure: ToolFailure, backend: Backend) -> CallToolResult:
    told: dict[str, Any] = {
        "error": failure.error,
        "message": failure.message,
        "remedy": failure.remedy,
        "request_id": failure.request_id or backend.request_id,
    }
    if failure.said:
        told["server_said"] = [untrusted(line).model_dump() for line in failure.said]
        told["note"] = NOTE
    text = json.dumps(told, ensure_ascii=False)
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
