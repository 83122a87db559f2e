"""The device-state hook (policy §5): may this device have a certificate now?

A POST of JSON to the operator's URL, from a worker's event loop. It fails closed: only
status 200 with ``{"allow": true}`` goes on. The URL may hold a secret, so neither it nor
an error text that could quote it ever reaches a log, a note or an answer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

import httpx2
import msgspec

from certctl.domain.errors import DeviceStateFailed
from certctl.domain.plain_text import shown
from certctl.domain.ports import DeviceQuestion

TOTAL_SECONDS = 3.0
"""For everything: a free connection, name, TCP, TLS, the answer's last octet."""

MAX_ANSWER = 64 * 1024
MAX_NOTE = 200
MAX_CONNECTIONS = 32
"""At once, per worker and profile; who waits for one longer than the total is denied."""

# It would write each URL into the log.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class _Answer(msgspec.Struct):
    allow: bool = False
    reason: str = ""


_decoder = msgspec.json.Decoder(_Answer)
_encoder = msgspec.json.Encoder()


class DeviceStateHook:
    """``ports.DeviceState`` over HTTP; use from one event loop, and close at its end."""

    def __init__(self, url: str, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self._url = url
        self._total_seconds = total_seconds
        self._client = httpx2.AsyncClient(
            # The system's trust, as OpenSSL finds it; no proxies or credentials that the
            # environment happens to name.
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=30.0),
            headers={"User-Agent": "certctl", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def require_good(self, question: DeviceQuestion) -> None:
        """See ``ports.DeviceState.require_good``."""
        try:
            async with asyncio.timeout(self._total_seconds):
                status, body = await self._ask(_encoder.encode(question))
        except TimeoutError as err:
            raise DeviceStateFailed(note="the hook did not answer in time") from err
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as err:
            note = f"the hook could not be asked ({type(err).__name__})"
            raise DeviceStateFailed(note=note) from None
        if status != httpx2.codes.OK:
            raise DeviceStateFailed(note=f"the hook answered with status {status}")
        if len(body) > MAX_ANSWER:
            raise DeviceStateFailed(note="the hook's answer is too long")
        try:
            # As text: msgspec does not look into the names of fields that it passes over.
            answer = _decoder.decode(body.decode("utf-8"))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as err:
            raise DeviceStateFailed(note="the hook's answer is not the JSON expected") from err
        if not answer.allow:
            raise DeviceStateFailed(note=shown(answer.reason)[:MAX_NOTE])

    async def _ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and at most a little more than ``MAX_ANSWER`` octets of the answer.

        The octets are taken as they came: nothing is decompressed.
        """
        found = bytearray()
        headers = {"Content-Type": "application/json"}
        async with self._client.stream(
            "POST", self._url, content=body, headers=headers
        ) as response:
            async for part in response.aiter_raw():
                found += part
                if len(found) > MAX_ANSWER:
                    break
        return response.status_code, bytes(found)
