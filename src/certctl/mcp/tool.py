"""One row of the table of tools: everything that server, page and tests know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from certctl.mcp.arguments import Arguments
from certctl.mcp.backend import Backend
from certctl.mcp.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool.

    Attributes:
        description: for the model that chooses among tools.
        run: gets ``arguments`` as its own class; raises ToolFailure.
        result: None where it never has one.
        role: what the API key must at least have where the tool asks the management API.
        here: what is different at ``/mcp`` on the server; for the page.
        changes: it may lead to a new certificate.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    result: type[Result] | None
    run: Callable[[Backend, Any], Awaitable[Result]]
    role: str = ""
    here: str = ""
    changes: bool = False
