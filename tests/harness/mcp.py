"""The official SDK's client, for tests that wait: over HTTPS to ``/mcp``, and over stdio."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Tool

from tests.harness.http import tls_context
from tests.harness.server import RunningServer, clean_environment

PROGRAM = str(Path(sys.executable).with_name("certctl-mcp"))
SECONDS = 40

T = TypeVar("T")
Connect = Callable[[], AbstractAsyncContextManager[Client]]


@dataclass(frozen=True)
class Session:
    """A connected client, driven from a thread that waits for it."""

    portal: BlockingPortal
    client: Client

    def tools(self) -> dict[str, Tool]:
        listed = self._wait(self.client.list_tools)
        return {each.name: each for each in listed.tools}

    def good(self, name: str, **arguments: Any) -> Any:
        """The result; the SDK's client has checked it against the tool's output schema."""
        failed, text, structured = self._call(name, arguments)
        assert not failed, text
        assert structured == text
        return text

    def bad(self, name: str, **arguments: Any) -> Any:
        """The JSON of the failure."""
        failed, text, structured = self._call(name, arguments)
        assert failed, text
        assert structured is None
        return text

    def _call(self, name: str, arguments: dict[str, Any]) -> tuple[bool, Any, Any]:
        answer = self._wait(lambda: self.client.call_tool(name, arguments))
        (content,) = answer.content
        return bool(answer.is_error), json.loads(content.text), answer.structured_content  # type: ignore[union-attr]

    def _wait(self, ask: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            with anyio.fail_after(SECONDS):
                return await ask()

        return self.portal.call(bounded)


@contextmanager
def session(connect: Connect) -> Iterator[Session]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connect()) as client,
    ):
        yield Session(portal, client)


def over_http(
    server: RunningServer,
    key: str | None,
    *,
    headers: Mapping[str, str] | None = None,
    certificate: tuple[Path, Path] | None = None,
    mode: ConnectMode = "auto",
) -> Connect:
    """``certificate`` is shown by the TLS connection: its file and that of its key."""
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    shown = {"certificate": certificate[0], "key": certificate[1]} if certificate else {}

    @asynccontextmanager
    async def connected() -> Any:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(
                httpx2.AsyncClient(
                    headers=sent, verify=tls_context(server.ca_file, **shown), trust_env=False
                )
            )
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            yield await stack.enter_async_context(Client(transport, mode=mode))

    return connected


def over_stdio(server: RunningServer, directory: Path, **more: str) -> Connect:
    """``certctl-mcp`` as an assistant's client starts it; ``more`` are further variables."""
    variables = {
        "HOME": str(directory),
        "XDG_CONFIG_HOME": str(directory / "config"),
        "CERTCTL_SERVER_URL": server.url,
        "CERTCTL_SERVER_CA_BUNDLE_PATH": str(server.ca_file),
    }
    started = StdioServerParameters(
        command=PROGRAM, env=clean_environment({**variables, **more}), cwd=directory
    )
    return lambda: Client(started)
