"""The management API (``/api/v1``) as its commands ask it: a Bearer key, JSON, pages by cursor."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import httpx2

from certctl import __version__
from certctl.client.address import Address
from certctl.client.failures import (
    BadAnswer,
    BadInput,
    ClientFailure,
    Refused,
    TlsFailed,
    Unreachable,
    reason_of,
    words_of,
)
from certctl.client.tls import Trust

TIMEOUT_SECONDS: Final = 30.0
# The server is heard from every 15 seconds; a stream that is silent for longer is dead.
STREAM_SECONDS: Final = 60.0
# For work that a server does to its end before it answers.
LONG_SECONDS: Final = 3_600.0
PER_PAGE: Final = 500
PREFIX: Final = "/api/v1"

# They would write each URL into a log that somebody switched on.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Event(NamedTuple):
    """A server-sent event: where to go on from, and its data; None where it only tells where."""

    id: str
    data: Any


class RestServer:
    """One server with one key. Use as a context manager."""

    def __init__(self, address: Address, trust: Trust, key: str | None) -> None:
        headers = {"User-Agent": f"certctl/{__version__}", "Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._address = address
        self._client = httpx2.Client(
            base_url=address.url,
            verify=_tls(trust),
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT_SECONDS,
            headers=headers,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: object) -> Any:
        """The JSON of an answer; parameters that are None are left out."""
        return self._json("GET", path, query=query)

    def text(self, path: str) -> str:
        """An answer that is text."""
        return self._send("GET", path).text

    def write(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        once: str | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> Any:
        """The JSON of a write's answer; ``once`` is its Idempotency-Key, ``seconds`` how long
        the server may be silent.
        """
        headers = {"Idempotency-Key": once} if once else {}
        return self._json(method, path, body=body, headers=headers, seconds=seconds)

    def listing(self, path: str, most: int, **query: object) -> dict[str, Any]:
        """Up to ``most`` things of a list, over as many pages as it takes."""
        data: list[Any] = []
        cursor: str | None = None
        while True:
            per_page = min(PER_PAGE, most - len(data))
            page = self.get(path, cursor=cursor, per_page=per_page, **query)
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                raise BadAnswer(f"The answer to {path} is not a list.")
            data += page["data"]
            cursor = page.get("next_cursor")
            # A page may be empty and yet not the last: the work for each is bounded.
            if not cursor or len(data) >= most:
                return {**page, "data": data, "next_cursor": cursor}

    def stream(self, path: str, *, last_id: str | None = None, **query: object) -> Iterator[Event]:
        """Server-sent events until the connection ends; each with the id to go on from."""
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with self._client.stream(
                "GET",
                PREFIX + path,
                params=_given(query),
                headers=headers,
                timeout=httpx2.Timeout(TIMEOUT_SECONDS, read=STREAM_SECONDS),
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refused(answer, path)
                for event in httpx2.EventSource(answer):
                    yield Event(event.id, _object(event.data, path) if event.data else None)
        except (httpx2.HTTPError, httpx2.StreamError) as err:
            raise self._failed(err) from err

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> Any:
        answer = self._send(method, path, query=query, body=body, headers=headers, seconds=seconds)
        return _object(answer.text, path)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> httpx2.Response:
        try:
            answer = self._client.request(
                method,
                PREFIX + path,
                params=_given(query or {}),
                json=body,
                headers=dict(headers or {}),
                timeout=httpx2.Timeout(TIMEOUT_SECONDS, read=seconds),
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as err:
            raise self._failed(err) from err
        if answer.status_code not in range(200, 300):
            raise _refused(answer, path)
        return answer

    def _failed(self, err: Exception) -> ClientFailure:
        cause: BaseException | None = err
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return TlsFailed(
                    f"The server is not trusted: {cause.verify_message}.",
                    "Give its CA with --ca-bundle or CERTCTL_SERVER_CA_BUNDLE_PATH.",
                )
            if isinstance(cause, ssl.SSLError):
                return TlsFailed(f"No TLS connection: {cause.reason or cause}.")
            cause = cause.__cause__ or cause.__context__
        return Unreachable(
            f"{self._address.url} cannot be reached: {reason_of(err)}.",
            "Check the name, the port and the network.",
        )


def _object(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        raise BadAnswer(f"The answer to {path} is not JSON.", "Is it a certctl server?") from err


def _refused(answer: httpx2.Response, path: str) -> Refused:
    words = words_of(
        answer.content,
        answer.headers.get("content-type", ""),
        answer.headers.get("x-request-id", ""),
    )
    refused = Refused(answer.status_code, words, asked=f"{answer.request.method} {PREFIX}{path}")
    if answer.status_code == 401 and not refused.words.lines:
        refused.remedy = "Give a key with CERTCTL_API_KEY_FILE or CERTCTL_API_KEY."
    return refused


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}


def _tls(trust: Trust) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(trust.ca_file) if trust.ca_file else None)
    except (OSError, ssl.SSLError) as err:
        raise BadInput(
            f"The CA file {trust.ca_file} cannot be used.", "It must hold certificates in PEM."
        ) from err
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
