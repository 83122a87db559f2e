"""What the listener without TLS serves: PKI paths, and nothing else (config §1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from certctl.domain.asgi import Receive, Scope, Send
from certctl.web.answers import Answer, send_answer
from certctl.web.pki import PREFIX
from certctl.web.problems import TEXT

_NOT_HERE = Answer(
    status=404,
    headers=(TEXT,),
    body=b"Nothing is here.\n"
    b"This port speaks no TLS: CRLs, OCSP and CA certificates below /.well-known/pki/ only.\n"
    b"Use the server's main port, over TLS 1.3.\n",
)


class PlainPortApp:
    """Looks at the same octets that the application routes by (``raw_path``)."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        if path.startswith(PREFIX):
            await self._app(scope, receive, send)
        else:
            await send_answer(_NOT_HERE, send)
