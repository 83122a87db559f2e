"""What the commands over REST share: the server with its key, how many, and confirmations."""

from __future__ import annotations

from typing import Annotated

import typer

from certctl.cli.remote.contexts import API_KEY, API_KEY_FILE, Where
from certctl.client.failures import BadInput
from certctl.client.rest import RestServer

DEFAULT_LIMIT = 50
MOST = 1_000_000

Limit = Annotated[int, typer.Option(help="At most so many.", min=1, max=MOST)]
Once = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="Any text of yours: given with it again within a day, the command is not done anew.",
    ),
]


def api(where: Where) -> RestServer:
    """The management API of the chosen server.

    Raises:
        BadInput: no key was given.
    """
    target = where.target()
    key = target.api_key()
    if key is None:
        raise BadInput(
            "This command needs an API key.",
            f"Set {API_KEY_FILE} or {API_KEY}; `certctl-server keys create` makes one.",
        )
    return RestServer(target.address, target.trust, key)


def segment(text: str, what: str) -> str:
    """A value that becomes one segment of a path.

    Raises:
        BadInput: it would be more than that.
    """
    if not text or not text.isascii() or not all(c.isalnum() or c in "-_" for c in text):
        raise BadInput(f"{text!r} is no {what}.")
    return text
