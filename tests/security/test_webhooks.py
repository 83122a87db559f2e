"""SSRF by webhook: no receiver makes the server reach into its own network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.device import Device
from tests.harness.receiver import Receiver, receiver
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import ENROLL

PASSWORD = "hook-password-0001"
SECRET = "planted-webhook-secret-5520"
TOKEN = "hook-token-9182"
WAIT_SECONDS = 60.0
SETTINGS = {
    "EST_PROFILES": "demo",
    "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
    "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
    "WEBHOOK_SECRET": SECRET,
    "LOG_LEVEL": "debug",
}


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[RunningServer]:
    """Its receivers are written in all the ways that lead to where it runs."""
    port = hook.port
    hosts = ("localhost", "127.0.0.1", "0x7f000001", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0")
    urls = [f"http://{host}:{port}/{TOKEN}" for host in hosts]
    urls += [f"http://169.254.169.254/{TOKEN}", f"https://10.0.0.1/{TOKEN}"]
    settings = SETTINGS | {"WEBHOOK_URLS": ",".join(urls)}
    with configured_server(tmp_path_factory.mktemp("guarded"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def redirected(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[RunningServer]:
    settings = SETTINGS | {"WEBHOOK_URLS": hook.url, "WEBHOOK_ALLOW_PRIVATE": "true"}
    with configured_server(tmp_path_factory.mktemp("redirected"), settings) as running:
        yield running


def errors_of_one_event(server: RunningServer, name: str, channels: int) -> list[str]:
    """What each channel said of the event of one enrollment, once all were tried."""
    before = {each.event_id for each in outbox(server)}
    assert Device(server.directory, name).enroll(server, ENROLL, password=PASSWORD).status == 200
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        tried = [each for each in outbox(server) if each.attempts and each.event_id not in before]
        if len(tried) == channels:
            return [each.error for each in tried]
        assert time.monotonic() < deadline, (tried, server.log())
        time.sleep(0.05)


def outbox(server: RunningServer):
    records = server.records()
    try:
        return records.deliveries()
    finally:
        records.close()


def test_private_addresses_are_not_connected_to(guarded: RunningServer, hook: Receiver) -> None:
    hook.posts.clear()
    errors = errors_of_one_event(guarded, "pump", 8)
    refused = [error for error in errors if "is not public" in error]
    # A host without IPv6 cannot even resolve such an address.
    assert len(refused) + sum("cannot be resolved" in error for error in errors) == 8
    assert len(refused) >= 6, errors
    assert not hook.posts


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/internal", "http://169.254.169.254/latest/meta-data/"]
)
@pytest.mark.parametrize("status", [302, 307])
def test_redirects_to_private_addresses_are_not_followed(
    redirected: RunningServer, hook: Receiver, status: int, target: str
) -> None:
    hook.posts.clear()
    hook.says(status=status, headers={"Location": target.format(port=hook.port)})
    name = f"device-{status}-{len(target)}"
    (error,) = errors_of_one_event(redirected, name, 1)
    assert f"redirect (status {status}), never followed" in error
    assert {post.path for post in hook.posts} == {f"/hook?token={TOKEN}"}


def test_neither_secret_nor_url_is_in_log_record_or_outbox(
    guarded: RunningServer, redirected: RunningServer
) -> None:
    for server in (guarded, redirected):
        told = f"{server.log()} {all_events(server)!r} {outbox(server)!r}"
        assert "cert.issued" in told
        for secret in (TOKEN, SECRET):
            assert secret not in told
            stored = b"".join(path.read_bytes() for path in _files(server.database))
            assert secret.encode() not in stored


def _files(database: Path) -> list[Path]:
    return [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
