"""The management API as its clients use it: one TLS connection, JSON, a Bearer key."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from certctl.domain.api_keys import Role
from tests.harness.http import TIMEOUT_SECONDS, Response, tls_context
from tests.harness.server import PROGRAM, RunningServer, clean_environment

PREFIX = "/api/v1"


def host_command(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``certctl-server ARGUMENTS`` with the settings of this server."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def first_key(server: RunningServer, name: str = "root", role: Role = Role.ADMIN) -> str:
    """A key made on the host."""
    made = host_command(server, "keys", "create", name, "--role", role.value)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@dataclass
class ApiClient:
    """One key's requests, each on a connection of its own."""

    server: RunningServer
    key: str | None = None

    def with_key(self, key: str | None) -> ApiClient:
        return ApiClient(self.server, key)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        prefix: str = PREFIX,
    ) -> Response:
        """One request; ``body`` is bytes as they are, or anything else as JSON.

        Of an answer without length, which is a stream, the head alone is read.
        """
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        data: bytes | None = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with self._connection() as connection:
            connection.request(method, prefix + path, body=data, headers=sent)
            with connection.getresponse() as answer:
                endless = answer.getheader("content-length") is None
                return Response(
                    status=answer.status,
                    headers={name.title(): value for name, value in answer.getheaders()},
                    body=b"" if endless else answer.read(),
                )

    def _connection(self) -> closing[http.client.HTTPSConnection]:
        return closing(
            http.client.HTTPSConnection(
                "localhost",
                self.server.port,
                timeout=TIMEOUT_SECONDS,
                context=tls_context(self.server.ca_file),
            )
        )

    def get(self, path: str) -> Any:
        """The JSON of a good answer."""
        answer = self.send("GET", path)
        assert answer.status == 200, answer.text
        return json.loads(answer.body)

    def post(self, path: str, body: object, **headers: str) -> Any:
        """The JSON of a good answer; ``Idempotency_Key`` becomes that header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.send("POST", path, body, headers=named)
        assert answer.status in (200, 201), answer.text
        return json.loads(answer.body)

    def make_key(self, name: str, role: Role, **more: object) -> str:
        """A key made over the API."""
        made = self.post("/keys", {"name": name, "role": role.value, **more})
        return str(made["key"])

    @contextmanager
    def stream(
        self, path: str = "/audit/stream", *, last: str | None = None
    ) -> Iterator[EventSource]:
        """Server-sent events on a connection of their own."""
        headers = {"Authorization": f"Bearer {self.key}"}
        if last is not None:
            headers["Last-Event-ID"] = last
        with self._connection() as connection:
            connection.request("GET", PREFIX + path, headers=headers)
            with connection.getresponse() as answer:
                assert answer.status == 200, answer.read()
                assert answer.getheader("content-type", "").startswith("text/event-stream")
                yield EventSource(answer)


@dataclass
class EventSource:
    """Reads events; ``last_id`` is what a browser would send as Last-Event-ID."""

    answer: http.client.HTTPResponse
    last_id: str = ""

    def next_event(self) -> dict[str, Any] | None:
        """The next audit event; None: the stream has ended."""
        data = ""
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.last_id = value
            elif name == "data":
                data += value
            elif not line.strip() and data:
                event: dict[str, Any] = json.loads(data)
                return event
        return None

    def until(self, action: str, **wanted: object) -> dict[str, Any]:
        """The next event of this action with these fields."""
        while (event := self.next_event()) is not None:
            if event["action"] == action and all(event[name] == wanted[name] for name in wanted):
                return event
        raise AssertionError(f"the stream ended without {action} {wanted}")

    def opening(self) -> str:
        """Read the first lines, which hold the place where the stream begins."""
        while (line := self.answer.readline().decode()) != "\n":
            assert line, "the stream ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
        return self.last_id
