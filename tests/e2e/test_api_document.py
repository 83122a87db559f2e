"""The OpenAPI document against the server: what it says is what comes (schemathesis)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.web.api.build import fastapi_app
from certctl.web.api.document import openapi_document
from certctl.web.api.table import ENDPOINTS
from tests.harness.api import ApiClient
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.server import RunningServer, ruled_server

PROGRAM = str(Path(sys.executable).with_name("schemathesis"))
EXAMPLES = 4
PASSWORD = "password-of-the-document"
KEY = "key-of-the-chief"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
        "RATE_LIMIT_ENABLED": "false",
        "WORKERS": "1",
        # Of the settings, since a generated request may well revoke a key of the store.
        "API_KEYS_NAMED": f"chief:{KEY}:admin",
    }
    directory = tmp_path_factory.mktemp("document")
    with ruled_server(directory, settings, {"requires_approval": True}) as running:
        yield running


def test_what_the_document_says_is_what_comes(server: RunningServer, tmp_path: Path):
    """Generated good and bad requests: no 5xx, no undocumented answer, no other form."""
    device = Device(tmp_path, "waits")
    headers = basic("device", PASSWORD)
    assert (
        device.enroll(server, "/.well-known/est/demo/simpleenroll", headers=headers).status == 202
    )
    root = ApiClient(server, KEY)
    document = tmp_path / "openapi.json"
    described = json.loads(root.with_key(None).send("GET", "/openapi.json").body)
    for operation in (each for path in described["paths"].values() for each in path.values()):
        # Generated ones would come again with other requests, which is refused; tested alone.
        operation["parameters"] = [
            each for each in operation.get("parameters", []) if each["name"] != "Idempotency-Key"
        ]
    document.write_text(json.dumps(described))
    run = subprocess.run(
        [
            PROGRAM,
            "run",
            str(document),
            f"--url={server.url}",
            f"--tls-verify={server.ca_file}",
            f"--header=Authorization: Bearer {root.key}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--generation-deterministic",
            # A stream has no end to wait for; it is tested by itself.
            "--exclude-path=/api/v1/audit/stream",
            # The rules of a certificate profile are more than a schema says.
            "--exclude-checks=ignored_auth,positive_data_acceptance",
            "--max-time=25",
            "--no-color",
            "--continue-on-failure",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert not server.log_events("api_request_failed")
    assert root.get("/auth/check")["user"] == "chief"


def test_the_document_names_every_endpoint_with_its_role_and_example():
    document = openapi_document(fastapi_app(), "0")
    for each in ENDPOINTS:
        operation = document["paths"][each.full_path][each.method.lower()]
        assert operation["x-required-role"] == (each.role.value if each.role else "none")
        assert ("requestBody" in operation) == (each.example is not None)
        names = [one["name"] for one in operation.get("parameters", [])]
        assert ("Idempotency-Key" in names) == each.is_write
    assert set(document["paths"]) >= {"/health", "/ready"}
