"""A half-written bundle keeps no command on the host from its work beside a running server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.pki import ForeignCA
from tests.harness.raw import RawClient, post
from tests.harness.server import RunningServer, clean_environment, ruled_server, write_rules

PASSWORD = "beside-password-0001"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("beside")
    bundle = ForeignCA("works").bundle(directory / "works.pem")
    settings = {
        "WORKERS": "1",
        "EST_PROFILES": "demo",
        "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
        "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "mtls,basic",
        "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_DEMO_MTLS_ENABLED": "true",
        "EST_PROFILE_DEMO_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
    }
    with ruled_server(directory, settings, {"requires_approval": True}) as running:
        bundle.write_bytes(bundle.read_bytes()[:100])
        yield running


def run(server: RunningServer, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*server.program, *map(str, arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def waiting(server: RunningServer, name: str) -> str:
    """Id of a new request that waits for approval."""
    body = Device(server.directory, name).csr().public_bytes(Encoding.DER)
    line = "Authorization: " + basic("device", PASSWORD)["Authorization"]
    with RawClient(server) as client:
        client.send(post("/.well-known/est/demo/simpleenroll", body, line))
        answer = client.answer()
    assert answer.status == 202
    return answer.text.split(" as ")[1].split(".")[0]


def test_the_file_is_bad_indeed(server: RunningServer) -> None:
    assert "works.pem" in run(server, "check").stderr


@pytest.mark.parametrize("word", ["approve", "deny"])
def test_operators_decide(server: RunningServer, word: str) -> None:
    request = waiting(server, f"to-{word}")
    assert request in run(server, "requests", "list").stdout
    assert run(server, "requests", "show", request).returncode == 0
    done = run(server, "requests", word, request, "--reason", "known device")
    assert done.returncode == 0, done.stderr


def test_profiles_are_kept_and_removed(server: RunningServer) -> None:
    write_rules(server.directory / "put", {}, "spare")
    for arguments in (
        ("put", server.directory / "put" / "spare.toml"),
        ("list",),
        ("show", "spare"),
        ("delete", "spare"),
    ):
        done = run(server, "profiles", *arguments)
        assert done.returncode == 0, done.stderr


def test_the_trail_is_verified_and_taken_away(server: RunningServer) -> None:
    for arguments in (("verify",), ("export", "trail.jsonl")):
        done = run(server, "audit", *arguments)
        assert done.returncode == 0, done.stderr


def test_without_a_store_verify_says_what_why_and_how_to_mend_it(
    server: RunningServer, tmp_path: Path
) -> None:
    kept = dict(server.environment)
    server.environment["CERTCTL_DATA_DIR"] = str(tmp_path)
    try:
        done = run(server, "audit", "verify")
    finally:
        server.environment.update(kept)
    assert done.returncode == 1
    assert "Errno" not in done.stderr
    assert f"{tmp_path}/audit.pub cannot be read (No such file or directory)" in done.stderr
    assert "CERTCTL_DATA_DIR" in done.stderr
    done = run(server, "audit", "verify", "--export", "gone.jsonl", "--key", "gone.pub")
    assert done.returncode == 2
    assert "gone.pub cannot be read (No such file or directory); check the path" in done.stderr
