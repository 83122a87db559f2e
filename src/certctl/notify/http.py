"""One POST to a receiver of events: to a checked address, once, in bounded time.

No redirect is followed, no proxy of the environment used, TLS is verified against the
system's trust (``SSL_CERT_FILE`` names another). The URL may hold a token: neither it nor
a text that could quote it is in an error.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Final

import httpx2

from certctl.domain.ports import DeliveryFailed
from certctl.notify.addresses import resolve

TOTAL_SECONDS: Final = 10.0
"""For everything: name, TCP, TLS, the head of the answer and its body."""

MAX_ANSWER: Final = 64 * 1024
"""Octets of an answer that are read, so that its connection can be used again."""

# It would write each URL into the log.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Receiver:
    """A URL that events are posted to; use from one event loop, and close at its end."""

    def __init__(
        self,
        url: str,
        *,
        allow_private: bool,
        connections: int,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._url = httpx2.URL(url)
        self._allow_private = allow_private
        self._total_seconds = total_seconds
        self._client = httpx2.AsyncClient(
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            limits=httpx2.Limits(max_connections=connections, keepalive_expiry=30.0),
            headers={"User-Agent": "certctl", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns when the receiver has answered with a status of 200 to 299.

        Raises:
            DeliveryFailed: it has not, in time.
        """
        try:
            async with asyncio.timeout(self._total_seconds):
                status = await self._post(body, headers)
        except TimeoutError as err:
            raise DeliveryFailed("it did not answer in time") from err
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as err:
            raise DeliveryFailed(_words(err)) from None
        if 300 <= status < 400:
            raise DeliveryFailed(f"it answered with a redirect (status {status}), never followed")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"it answered with status {status}")

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        scheme_port = 443 if self._url.scheme == "https" else 80
        addresses = await resolve(
            self._url.host, self._url.port or scheme_port, allow_private=self._allow_private
        )
        failure: httpx2.ConnectError | None = None
        for address in addresses:
            try:
                return await self._post_to(address, body, headers)
            except httpx2.ConnectError as err:
                failure = err
        raise failure or DeliveryFailed("its name has no address")

    async def _post_to(self, address: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status; the address is connected to as it is, TLS checks the URL's name."""
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers={"Host": self._url.netloc.decode("ascii"), **headers},
            extensions={"sni_hostname": self._url.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            await _drain(response)
        finally:
            await response.aclose()
        return response.status_code


async def _drain(response: httpx2.Response) -> None:
    """Read a short body; what else it says does not change what its status said."""
    taken = 0
    try:
        async with asyncio.timeout(1.0):
            async for part in response.aiter_raw():
                taken += len(part)
                if taken > MAX_ANSWER:
                    return
    except (TimeoutError, httpx2.HTTPError):
        return


def _words(err: BaseException) -> str:
    seen: BaseException | None = err
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {seen.verify_message}"
        seen = seen.__cause__ or seen.__context__
    if isinstance(err, httpx2.ConnectError):
        return "it cannot be connected to"
    return f"the connection failed ({type(err).__name__})"
