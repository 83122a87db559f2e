"""MCP as docs/how-to/mcp.md sets it up; without the SDK; and at the end of a server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.cli.mcp.remote import EST_PASSWORD_FILE, EST_USER
from certctl.cli.remote.contexts import API_KEY_FILE, CA_BUNDLE, SERVER_URL
from certctl.domain.audit import AuditAction
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.mcp import PROGRAM, over_http, session
from tests.harness.records import all_events
from tests.harness.server import RunningServer, clean_environment, configured_server

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "mcp.md"
DEMO = {"EST_PROFILES": "corp", "EST_PROFILE_CORP_ISSUER_ID": "iss-local", "WORKERS": "1"}
HIDDEN = "import sys; sys.modules['mcp'] = None; from certctl.{} import main; main()"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def typed(server: RunningServer, line: str, key: str) -> dict[str, Any]:
    """What the page's curl line prints, on this server's port."""
    done = subprocess.run(
        ["bash", "-c", line.replace("8443", str(server.port))],
        cwd=server.ca_file.parent,
        env={"KEY": key, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_page_is_true_and_the_server_ends_in_order(tmp_path: Path):
    with configured_server(tmp_path, DEMO) as server:
        (tmp_path / "data" / "ca.pem").write_bytes(server.ca_file.read_bytes())
        key = first_key(server)
        (line,) = [each for each in blocks("sh") if each.startswith("curl")]
        result = typed(server, line, key)["result"]
        assert result["structuredContent"]["certificates"]
        with session(over_http(server, key)) as client:
            assert client.good("est_list_profiles")["profiles"]
            # The client is still there when the server ends.
            assert server.stop() == 0
        assert "Traceback" not in server.log()
        assert not server.log_events("mcp_tool_failed")


def test_the_configurations_of_clients_name_what_there_is():
    stdio, http = (json.loads(each)["mcpServers"]["certctl"] for each in blocks("json"))
    assert stdio["command"] == "certctl-mcp"
    assert set(stdio["env"]) == {SERVER_URL, CA_BUNDLE, API_KEY_FILE}
    assert http["url"].endswith("/mcp")
    assert EST_USER in PAGE.read_text()
    assert EST_PASSWORD_FILE in PAGE.read_text()


def test_without_the_sdk_everything_else_works_and_the_extra_is_named(tmp_path: Path):
    server = configured_server(tmp_path, DEMO)
    server.program = (sys.executable, "-c", HIDDEN.format("__main__"))
    with server:
        client = ApiClient(server, first_key(server))
        answer = client.send("POST", "/mcp", {}, prefix="")
        assert answer.status == 501
        assert "certctl[mcp]" in json.loads(answer.body)["remedy"]
        assert client.send("GET", "/audit").status == 200
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN.format("cli.mcp.main")],
        env={SERVER_URL: "https://localhost"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "certctl[mcp]" in done.stderr


def test_behind_a_proxy_a_tool_acts_for_the_client_that_the_proxy_names(tmp_path: Path):
    settings = DEMO | {"TRUSTED_PROXIES": "127.0.0.1"}
    csr = Device(tmp_path, "proxied-1").csr().public_bytes(Encoding.PEM).decode()
    with configured_server(tmp_path, settings) as server:
        headers = {"X-Forwarded-For": "192.0.2.7"}
        with session(over_http(server, first_key(server), headers=headers)) as client:
            assert client.good("est_enroll", profile="corp", csr=csr)["outcome"] == "issued"
            told = client.bad("est_get_cacerts", profile="nowhere")
        assert told["error"] == "not_found"
        sources = {
            each.event.source_address
            for each in all_events(server)
            if each.event.action is AuditAction.SIMPLE_ENROLL_SUCCESS
        }
        assert sources == {"192.0.2.7"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_at_a_signal_while_its_client_is_there(tmp_path: Path, number: int):
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"},
        },
    }
    with subprocess.Popen(
        [PROGRAM],
        env={SERVER_URL: "https://localhost", "HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(hello).encode() + b"\n")
        program.stdin.flush()
        assert json.loads(program.stdout.readline())["result"]["serverInfo"]["name"] == "certctl"
        program.send_signal(number)
        try:
            assert program.wait(20) == -number
        finally:
            program.kill()


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        ((), {}, 2, "Which server?"),
        ((), {"CERTCTL_SERVER_URL": "http://localhost"}, 2, "not https"),
        (("--context", "none"), {}, 2, "There is no context none"),
        (
            ("--server", "https://localhost:1"),
            {"CERTCTL_MCP_DOCTOR_SERVERS": "ftp://files.example"},
            2,
            "CERTCTL_MCP_DOCTOR_SERVERS: ftp://files.example is not https",
        ),
        (("--version",), {}, 0, "certctl-mcp"),
        (("--help",), {}, 0, "CERTCTL_MCP_EST_USER"),
    ],
)
def test_the_program_says_what_it_misses(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], code: int, said: str
):
    done = subprocess.run(
        [PROGRAM, *arguments],
        env=clean_environment({"HOME": str(tmp_path), "COLUMNS": "200", **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr
