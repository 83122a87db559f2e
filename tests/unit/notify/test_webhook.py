"""Webhooks and Slack against a real receiver that fails in all the ways receivers do."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certctl.domain.events import Delivery, Event, EventType
from certctl.domain.ports import Channel, DeliveryFailed
from certctl.notify.http import Receiver as Target
from certctl.notify.slack import Slack
from certctl.notify.webhook import Webhook
from certctl.wire.cloudevents import encode_cloudevent
from tests.harness.receiver import Receiver, receiver
from tests.unit.settings.rig import Files

SECRET = "a-key-of-enough-characters"
TOKEN = "hook-token-9182"
NOW_US = 1_790_000_000_000_000


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def delivery(kind: EventType = EventType.CERT_REVOKED, **data: Any) -> Delivery:
    event = Event(id="e1", type=kind, time_us=NOW_US, subject="certificate/1", data=data)
    return Delivery(
        event_id=event.id,
        channel="ops",
        type=kind,
        subject=event.subject,
        body=encode_cloudevent(event, source="urn:certctl"),
        made_us=NOW_US,
        at_us=NOW_US,
    )


def target(url: str, *, allow_private: bool = True) -> Target:
    return Target(url, allow_private=allow_private, connections=8, total_seconds=2.0)


def send(url: str, *deliveries: Delivery, allow_private: bool = True, slack: bool = False) -> None:
    async def run() -> None:
        to = target(url, allow_private=allow_private)
        channel: Channel = (
            Slack("slack", to) if slack else Webhook("ops", to, SECRET.encode(), lambda: NOW_US)
        )
        try:
            for each in deliveries or (delivery(),):
                await channel.deliver(each)
        finally:
            await channel.close()

    asyncio.run(run())


def refused(url: str, **how: Any) -> str:
    with pytest.raises(DeliveryFailed) as failure:
        send(url, **how)
    assert TOKEN not in f"{failure.value!r} {failure.value.__cause__!r}"
    return str(failure.value)


def test_it_is_a_signed_cloudevent(hook: Receiver) -> None:
    send(hook.url, delivery(subject="CN=pümp"))
    (post,) = hook.posts
    assert post.path == f"/hook?token={TOKEN}"
    assert post.event["data"] == {"subject": "CN=pümp"}
    post.require_signed(SECRET)
    with pytest.raises(AssertionError):
        post.require_signed("another")
    wanted = {
        "Host": f"localhost:{hook.port}",
        "Content-Type": "application/cloudevents+json",
        "X-Event-Id": "e1",
        "X-Event-Type": "cert.revoked",
        "X-Timestamp": str(NOW_US // 1_000_000),
    }
    names = {name.lower(): value for name, value in post.headers.items()}
    assert wanted.items() <= {name: names[name.lower()] for name in wanted}.items()


def test_a_connection_is_used_again(hook: Receiver) -> None:
    hook.says(status=200, body=b"ok")
    send(hook.url, delivery(), delivery(), delivery())
    assert len({post.peer for post in hook.posts}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_other_statuses_are_failures(hook: Receiver, status: int) -> None:
    hook.says(status=status, body=b"no")
    assert f"status {status}" in refused(hook.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/in", "http://169.254.169.254/latest/", "/in"]
)
def test_redirects_are_not_followed(hook: Receiver, status: int, to: str) -> None:
    hook.says(status=status, headers={"Location": to.format(port=hook.port)})
    assert "redirect" in refused(hook.url)
    assert [post.path for post in hook.posts] == [f"/hook?token={TOKEN}"]


def test_hanging_and_hanging_up_are_failures(hook: Receiver) -> None:
    hook.says(hangs=True)
    assert "in time" in refused(hook.url)
    hook.says(hangs_up=True)
    assert "connection failed" in refused(hook.url)


def test_an_endless_answer_is_cut(hook: Receiver) -> None:
    hook.says(status=200, endless=True)
    send(hook.url)
    hook.says(status=500, endless=True)
    assert "status 500" in refused(hook.url)


def test_nobody_there_is_a_failure() -> None:
    with receiver() as gone:
        url = gone.url
    assert "cannot be connected to" in refused(url)


def test_private_addresses_are_not_connected_to(hook: Receiver) -> None:
    for host in ("localhost", "127.0.0.1"):
        url = hook.url.replace("localhost", host)
        assert "not public" in refused(url, allow_private=False)
    assert not hook.posts


def test_the_address_that_was_judged_is_the_one_connected_to(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a second look at the name would mean another address."""
    asked = []
    real = socket.getaddrinfo

    def answers(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *args, **more)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    send(hook.url.replace("localhost", "rebind.example"))
    (post,) = hook.posts
    assert post.headers["Host"] == f"rebind.example:{hook.port}"
    assert asked == ["rebind.example"]


@pytest.mark.parametrize(
    ("dns", "trusted", "words"),
    [
        ("localhost", True, None),
        ("localhost", False, "its certificate is not accepted: self-signed certificate"),
        ("other.example", True, "its certificate is not accepted: Hostname mismatch"),
    ],
)
def test_tls_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dns: str, *, trusted: bool, words: str | None
) -> None:
    files = Files(tmp_path)
    pem = files.write("c.pem", files.certificate_pem(dns=dns))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, files.write("k.pem", files.key_pem()))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", pem)
    with receiver(context) as hook:
        if words is None:
            send(hook.url)
            assert len(hook.posts) == 1
        else:
            assert words in refused(hook.url)
            assert not hook.posts


def test_proxies_of_the_environment_are_not_used(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    send(hook.url)
    assert len(hook.posts) == 1


def test_slack_gets_its_text_escaped(hook: Receiver) -> None:
    said = {"subject": "CN=<!channel> & <http://evil|here>", "sans": ["dns:a", "dns:b"], "days": 7}
    hook.says(status=200, body=b"ok")
    send(hook.url, delivery(EventType.CERT_EXPIRING_SOON, **said), slack=True)
    (post,) = hook.posts
    message = json.loads(post.body)
    assert message == {
        "text": "*Certificate expires soon: CN=&lt;!channel&gt; &amp; &lt;http://evil|here&gt;*\n"
        "time: 2026-09-21T14:13:20.000000Z\n"
        "subject: CN=&lt;!channel&gt; &amp; &lt;http://evil|here&gt;\n"
        "sans: dns:a, dns:b\n"
        "days: 7\n"
        "event: cert.expiring_soon e1 from urn:certctl",
        "unfurl_links": False,
        "unfurl_media": False,
    }
    assert "X-Signature" not in post.headers
    hook.says(status=404, body=b"no_service")
    assert "status 404" in refused(hook.url, slack=True)
