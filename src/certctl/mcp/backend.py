"""What the tools stand on: one port, and the failure that every tool ends with.

Behind it is a server, either over the network as its operator or a device sees it, or
this very process. Keys, roles, limits and audit events are the server's own business in
both: a tool can do nothing that its caller could not do without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class EstAsk:
    """One EST request.

    Attributes:
        operation: the last part of the path (RFC 7030 §3.2.2).
        profile: path ID; empty for the legacy root.
        csr: PKCS#10 (DER); None where there is no body, or where the one who holds the
            key shall make it for the names of ``certificate``.
        certificate, key: PEM files of the client certificate to show.
    """

    operation: str
    profile: str
    csr: bytes | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstAnswer:
    """What came: ``octets`` are DER, ``said`` is what the server wrote where it is no 200.

    ``retry_after`` is in seconds.
    """

    status: int
    octets: bytes = b""
    retry_after: int | None = None
    said: tuple[str, ...] = ()
    request_id: str = ""


class ToolFailure(Exception):
    """A tool did not do it: a code for programs, a sentence for people, and the way out.

    ``said`` is what a server wrote about it; it may repeat what a client sent.
    """

    def __init__(
        self,
        error: str,
        message: str,
        *,
        remedy: str = "",
        request_id: str = "",
        said: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.remedy = remedy
        self.request_id = request_id
        self.said = said


class Backend(Protocol):
    """Every method raises ToolFailure."""

    @property
    def request_id(self) -> str:
        """Of the request that carries this call; empty where there is none."""
        ...

    async def management(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        """The JSON of a good answer of the management API; ``path`` is below ``/api/v1``."""
        ...

    async def est(self, ask: EstAsk) -> EstAnswer:
        """An answer with status 200, 202 or 204."""
        ...

    async def file(self, path: str) -> bytes:
        """A file of the machine on which the assistant's user works."""
        ...

    async def doctor(self, url: str | None, profile: str) -> Any:
        """The doctor's report on an EST server as JSON; None: the configured one."""
        ...
