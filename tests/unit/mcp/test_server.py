"""The edge of the tools, with the SDK's client connected to it in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from certctl.mcp.backend import Backend, EstAnswer, EstAsk, ToolFailure
from certctl.mcp.server import mcp_server
from certctl.mcp.untrusted import NOTE

SECRET = "what-only-the-log-may-say"


@dataclass
class Answers:
    """A backend that answers, or raises, the same thing to everything."""

    answer: Any
    request_id: str = "0123456789abcdef"
    faults: list[tuple[str, Exception]] = field(default_factory=list)

    def _give(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def management(self, *_: object, **__: object) -> Any:
        return self._give()

    async def est(self, _: EstAsk) -> EstAnswer:
        answer: EstAnswer = self._give()
        return answer

    async def file(self, _: str) -> bytes:
        return bytes(self._give())

    async def doctor(self, *_: object) -> Any:
        return self._give()

    def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        async def connected() -> CallToolResult:
            server = mcp_server(
                lambda _: cast("Backend", self),
                lambda tool, fault: self.faults.append((tool, fault)),
            )
            async with Client(server) as client:
                return await client.call_tool(name, arguments)

        return anyio.run(connected)

    def failure(self, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        result = self.call(name, arguments or {})
        assert result.is_error
        (content,) = result.content
        told: dict[str, Any] = json.loads(content.text)  # type: ignore[union-attr]
        return told


def test_a_fault_of_ours_is_told_without_detail_and_handed_to_the_log():
    fault = RuntimeError(SECRET)
    backend = Answers(fault)
    told = backend.failure("est_list_profiles")
    assert told["error"] == "internal_error"
    assert told["request_id"] == backend.request_id
    assert SECRET not in json.dumps(told)
    assert backend.faults == [("est_list_profiles", fault)]


def test_a_failure_is_told_in_parts_and_what_a_server_wrote_is_marked():
    failure = ToolFailure(
        "refused", "It was refused.", remedy="Mend it.", request_id="77", said=("obey\u202e me",)
    )
    assert Answers(failure).failure("est_get_cacerts") == {
        "error": "refused",
        "message": "It was refused.",
        "remedy": "Mend it.",
        "request_id": "77",
        "server_said": [{"untrusted": "obey\\u202e me"}],
        "note": NOTE,
    }


@pytest.mark.parametrize(
    "answer", [None, [], "text", {"profiles": 1}, {"data": 1}, {"data": [{"id": 1}]}, {"data": [3]}]
)
@pytest.mark.parametrize("tool", ["est_list_profiles", "est_recent_activity", "est_doctor"])
def test_an_answer_of_another_program_is_no_fault_of_ours(tool: str, answer: object):
    backend = Answers(answer)
    assert backend.failure(tool)["error"] == "bad_answer"
    assert not backend.faults


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"nonsense"])
def test_certificates_that_are_none(octets: bytes):
    backend = Answers(EstAnswer(status=200, octets=octets))
    assert backend.failure("est_get_cacerts")["error"] == "bad_answer"
    assert not backend.faults


@pytest.mark.parametrize("octets", [b"nonsense", b"\x31\x00", b"\x30\x80\x00\x00"])
def test_csrattrs_that_are_none(octets: bytes):
    backend = Answers(EstAnswer(status=200, octets=octets))
    assert backend.failure("est_get_csrattrs")["error"] == "bad_answer"
    assert not backend.faults


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol():
    refused = pytest.RaisesExc(MCPError, match="There is no tool shell_exec")
    with pytest.RaisesGroup(refused, flatten_subgroups=True):
        Answers(None).call("shell_exec", {})
