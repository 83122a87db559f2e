"""The device-state hook against a real service: everything but a clear yes is a no."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.errors import DeviceStateFailed
from certctl.domain.ports import DeviceQuestion
from certctl.hooks.device_state import MAX_ANSWER, DeviceStateHook
from tests.harness.hook import HookService, hook_service
from tests.unit.settings.rig import Files

QUESTION = DeviceQuestion(
    profile="demo",
    principal="device",
    subject="CN=pump",
    sans=("dns:pump.example",),
    source="192.0.2.7",
    request_id="abc",
)
TOKEN = "hook-token-7351"


@pytest.fixture
def service() -> Iterator[HookService]:
    with hook_service() as running:
        yield running


def ask(url: str, *, times: int = 1, together: bool = False) -> None:
    async def run() -> None:
        hook = DeviceStateHook(url, total_seconds=1.0)
        try:
            if together:
                async with asyncio.TaskGroup() as group:
                    for _ in range(times):
                        group.create_task(hook.require_good(QUESTION))
            else:
                for _ in range(times):
                    await hook.require_good(QUESTION)
        finally:
            await hook.close()

    asyncio.run(run())


def denied(url: str) -> str:
    with pytest.raises(DeviceStateFailed) as refused:
        ask(url)
    assert TOKEN not in str(refused.value) + refused.value.note
    return refused.value.note


def test_a_yes_goes_on_and_the_connection_is_used_again(service: HookService) -> None:
    ask(service.url, times=3)
    assert service.questions == 3 * [
        {
            "profile": "demo",
            "principal": "device",
            "subject": "CN=pump",
            "sans": ["dns:pump.example"],
            "source": "192.0.2.7",
            "request_id": "abc",
        }
    ]
    assert len(service.connections) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"yes",
        b"{}",
        b"true",
        b"null",
        b"[]",
        b'{"allow": false}',
        b'{"allow": 1}',
        b'{"allow": "true"}',
        b'{"allow": [true]}',
        b'{"allow": null}',
        b'{"Allow": true}',
        b'{"allow": true',
        b'{"allow": true} {"allow": false}',
        b'{"allow": true, "allow": false}',
        b'{"allow": true, "reason": "\xff\xfe"}',
        b'{"allow": true, "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"allow": true, "x": "' + b"x" * MAX_ANSWER + b'"}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_anything_else_is_a_no(service: HookService, body: bytes) -> None:
    service.says(body)
    denied(service.url)


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 400, 401, 403, 404, 500, 503])
def test_another_status_is_a_no_and_redirects_are_not_followed(
    service: HookService, status: int
) -> None:
    service.says(
        b"" if status == 204 else b'{"allow": true}', status=status, headers={"Location": "/yes"}
    )
    assert str(status) in denied(service.url)
    assert len(service.questions) == 1


def test_compressed_answers_are_not_unpacked(service: HookService) -> None:
    service.says(b'{"allow": true}', headers={"Content-Encoding": "gzip"})
    ask(service.url)  # plain octets whatever the header says: nothing is decompressed
    service.says(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"})
    denied(service.url)


def test_the_reason_is_passed_on_and_cut(service: HookService) -> None:
    service.says(b'{"allow": false, "reason": "quarantine' + b"!" * 400 + b'"}')
    note = denied(service.url)
    assert note.startswith("quarantine!")
    assert len(note) == 200


def test_a_slow_service_is_a_no(service: HookService) -> None:
    service.says(wait=2.0)
    assert "in time" in denied(service.url)


def test_a_service_that_is_away_is_a_no() -> None:
    with hook_service() as gone:
        url = gone.url
    assert "could not be asked" in denied(url)


def test_a_certificate_nobody_trusts_is_a_no(tmp_path: Path) -> None:
    files = Files(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        files.write("c.pem", files.certificate_pem(dns="localhost")),
        files.write("k.pem", files.key_pem()),
    )
    with hook_service(context) as service:
        assert "could not be asked" in denied(service.url)
        assert not service.questions


def test_many_at_once_share_a_bounded_number_of_connections(service: HookService) -> None:
    ask(service.url, times=64, together=True)
    assert len(service.questions) == 64
    assert len(service.connections) <= 32
