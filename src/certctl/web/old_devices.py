"""What the listener for old devices serves: EST and PKI paths and ``/health``.

TLS 1.2 is spoken there for machines that cannot do better; people, their keys and the
administration have no business on it (est §10).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from certctl.web.answers import Answer, Receive, Scope, Send, send_answer
from certctl.web.problems import TEXT

SERVED = (b"/.well-known/est/", b"/.well-known/est-mtls/", b"/.well-known/pki/")
HEALTH = b"/health"

_NOT_HERE = Answer(
    status=404,
    headers=(TEXT,),
    body=b"Nothing is here.\n"
    b"This port is for old devices: EST and PKI paths only.\n"
    b"Use the server's main port, over TLS 1.3.\n",
)


class OldDevicesApp:
    """Lets the served paths through to the whole application.

    It looks at the same octets that the application routes by (``raw_path``), so no
    spelling means one thing here and another there.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        if path == HEALTH or path.startswith(SERVED):
            await self._app(scope, receive, send)
        else:
            await send_answer(_NOT_HERE, send)
