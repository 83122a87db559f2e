"""What the listener for old devices serves: EST and PKI paths and ``/health``.

TLS 1.2 is spoken there for machines that cannot do better; people, their keys and the
administration have no business on it (est §10).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.ids import RandomBytes, request_id
from certctl.web.answers import send_answer
from certctl.web.problems import answer_of, not_on_this_port, wants_json

SERVED = (b"/.well-known/est/", b"/.well-known/est-mtls/", b"/.well-known/pki/")
HEALTH = b"/health"


class OldDevicesApp:
    """Lets the served paths through to the whole application.

    It looks at the same octets that the application routes by (``raw_path``), so no
    spelling means one thing here and another there.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, random: RandomBytes
    ) -> None:
        self._app = app
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"]
        if path == HEALTH or path.startswith(SERVED):
            await self._app(scope, receive, send)
        else:
            refusal = answer_of(
                not_on_this_port(),
                request_id=request_id(self._random),
                wants_json=wants_json(scope["headers"]),
            )
            await send_answer(refusal, send)
