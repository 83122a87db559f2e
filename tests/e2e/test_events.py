"""Events out of a running server: to a receiver that fails, hangs and is killed under."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.events import DeliveryStatus
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.mailbox import Mailbox, mailbox
from tests.harness.pki import ForeignCA
from tests.harness.receiver import Post, Receiver, Reply, receiver
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "corp-password-0001"
SECRET = "4f1d7e0c2b5a49d8936e-planted-key"
ENROLL = "/.well-known/est/corp/simpleenroll"
RENEW = "/.well-known/est-mtls/corp/simplereenroll"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "events.md"
ALL_SECONDS = 60.0

CORP = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
    "EST_PROFILE_CORP_ON_REENROLL": "revoke_old",
}


def webhook(directory: Path, hook: Receiver, name: str = "ops") -> dict[str, str]:
    secret = directory / f"{name}.secret"
    secret.write_text(SECRET + "\n")
    return {
        "WEBHOOKS": name,
        f"WEBHOOK_{name.upper()}_URL": hook.url,
        f"WEBHOOK_{name.upper()}_SECRET_FILE": str(secret),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "PUBLIC_URL": "https://localhost",
    }


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def command(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *for_people(*arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def enrolled(server: RunningServer, directory: Path, name: str) -> Device:
    device = Device(directory, name)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    return device


def serial(device: Device) -> str:
    assert device.certificate is not None
    return f"{device.certificate.serial_number:x}"


def statuses(server: RunningServer) -> list[DeliveryStatus]:
    records = server.records()
    try:
        return [each.status for each in records.deliveries()]
    finally:
        records.close()


def until(server: RunningServer, *wanted: DeliveryStatus) -> None:
    deadline = time.monotonic() + ALL_SECONDS
    while sorted(statuses(server)) != sorted(wanted):
        assert time.monotonic() < deadline, (statuses(server), server.log())
        time.sleep(0.05)


def block(kind: str, word: str) -> str:
    """The example of this kind in the documentation that has this word in it."""
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(next(each for each in found if word in each))


def is_signed_by_the_page(post: Post, tmp_path: Path) -> None:
    """Both ways that the documentation shows, as they stand there."""
    python, shell = block("python", "hmac"), block("sh", "openssl dgst")
    names: dict[str, object] = {}
    exec(python, names)  # noqa: S102 - our own documentation
    told = (SECRET.encode(), post.headers["X-Timestamp"], post.headers["X-Signature"])
    assert names["is_genuine"](*told, post.body)  # type: ignore[operator]
    assert not names["is_genuine"](*told, post.body + b" ")  # type: ignore[operator]
    (tmp_path / "body.json").write_bytes(post.body)
    done = subprocess.run(
        ["sh", "-c", shell],
        env=dict(os.environ) | {"TIMESTAMP": post.headers["X-Timestamp"], "SECRET": SECRET},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.strip() == post.headers["X-Signature"]


def test_the_life_of_a_certificate_is_told(tmp_path: Path, hook: Receiver):
    box: Mailbox
    with mailbox() as box:
        settings = (
            CORP
            | webhook(tmp_path, hook)
            | {
                "SMTP_HOST": "localhost",
                "SMTP_PORT": str(box.port),
                "SMTP_USE_TLS": "off",
                "SMTP_FROM_ADDRESS": "ca@certctl.example",
                "SMTP_TO_ADDRESSES": "pki@hospital.example",
            }
        )
        with configured_server(tmp_path, settings) as server:
            device = enrolled(server, tmp_path, "pump")
            first = serial(device)
            assert device.enroll(server, RENEW, with_certificate=True).status == 200
            second = serial(device)
            assert command(server, "certificates", "revoke", second).returncode == 0
            for _ in range(10):
                wrong = Device(tmp_path, "pump").enroll(server, ENROLL, password="wrong")
                assert wrong.status == 401
            hook.wait(lambda posts: len(posts) >= 5)
            until(server, *[DeliveryStatus.DELIVERED] * 8)
    told = [(each["type"], each["data"].get("serial")) for each in hook.events()]
    assert sorted(told, key=str) == sorted(
        [
            ("cert.issued", first),
            ("cert.renewed", second),
            ("cert.revoked", first),
            ("cert.revoked", second),
            ("est.auth_locked_out", None),
        ],
        key=str,
    )
    assert told.index(("cert.issued", first)) < told.index(("cert.revoked", first))
    assert told.index(("cert.renewed", second)) < told.index(("cert.revoked", second))
    assert {each["source"] for each in hook.events()} == {"https://localhost"}
    is_signed_by_the_page(hook.posts[0], tmp_path)
    subjects = sorted(each.message["Subject"] for each in box.mails)
    assert subjects == [
        "[certctl] Certificate revoked: CN=pump",
        "[certctl] Certificate revoked: CN=pump",
        "[certctl] Source locked out after wrong passwords: 127.0.0.1",
    ]


def test_order_is_kept_through_failures_and_others_go_on(tmp_path: Path, hook: Receiver):
    refused: list[str] = []
    down = True

    def reply(post: Post) -> Reply:
        if down and post.event["data"]["subject"] == "CN=first":
            refused.append(post.id)
            return Reply(status=500)
        return Reply()

    hook.reply = reply
    with configured_server(tmp_path, CORP | webhook(tmp_path, hook)) as server:
        first = enrolled(server, tmp_path, "first")
        hook.wait(lambda posts: posts)
        assert command(server, "certificates", "revoke", serial(first)).returncode == 0
        enrolled(server, tmp_path, "other")
        hook.wait(lambda posts: any("other" in post.event["data"]["subject"] for post in posts))
        listed = command(server, "events", "list").stdout
        assert "cert.issued" in listed
        assert "it answered with status 500" in listed
        down = False
        until(server, *[DeliveryStatus.DELIVERED] * 3)
    posts = [(post.event["data"]["subject"], post.event["type"], post.id) for post in hook.posts]
    mine = [(kind, event_id) for subject, kind, event_id in posts if subject == "CN=first"]
    assert [kind for kind, _ in mine] == ["cert.issued"] * (len(refused) + 1) + ["cert.revoked"]
    assert len({event_id for _, event_id in mine}) == 2


def test_killed_in_the_midst_of_a_delivery_it_is_delivered_again(tmp_path: Path, hook: Receiver):
    hook.says(hangs=True)
    with configured_server(tmp_path, CORP | webhook(tmp_path, hook)) as server:
        enrolled(server, tmp_path, "pump")
        hook.wait(lambda posts: posts)
        hook.says(status=204)
        (jobs,) = server.processes()["jobs"]
        os.kill(jobs, signal.SIGKILL)
        # Its lease has to run out first: nobody knows that it will not go on.
        hook.wait(lambda posts: len(posts) >= 2, ALL_SECONDS)
        until(server, DeliveryStatus.DELIVERED)
        assert server.processes()["jobs"] != [jobs]
    assert len({post.id for post in hook.posts}) == 1, "told apart from news by its id"
    assert len({post.body for post in hook.posts}) == 1
    for post in hook.posts:
        post.require_signed(SECRET)


def test_dead_ones_wait_for_an_operator(tmp_path: Path, hook: Receiver):
    hook.says(hangs=True)
    with configured_server(tmp_path, CORP | webhook(tmp_path, hook)) as server:
        enrolled(server, tmp_path, "pump")
        hook.wait(lambda posts: posts)
        # What hangs is broken off, and the lease given back: the next start goes on at once.
        assert server.stop() == 0
    records = server.records()
    assert {lease.job: lease.until_us for lease in records.leases()}["outbox"] == 0
    records.close()
    hook.says(status=200)
    server = configured_server(tmp_path, CORP | webhook(tmp_path, hook, "siem"))
    with server:
        until(server, DeliveryStatus.DEAD)
        assert server.log_events("event_dead")[0]["channel"] == "ops"
        dead = command(server, "events", "dead").stdout
        assert "no channel of this name is set up" in dead
        assert command(server, "events", "requeue", "--channel", "ops").returncode == 3
    (event_id,) = {post.id for post in hook.posts}
    before = len(hook.posts)
    server = configured_server(tmp_path, CORP | webhook(tmp_path, hook))
    with server:
        assert "1 to be sent again" in command(server, "events", "requeue", event_id).stdout
        hook.wait(lambda posts: len(posts) > before)
        until(server, DeliveryStatus.DELIVERED)
        shown = command(server, "events", "show", event_id).stdout
        assert '"type": "cert.issued"' in shown
        assert " delivered " in shown
        assert command(server, "events", "requeue", event_id).returncode == 3
        assert command(server, "events", "show", "nobody").returncode == 3
        assert command(server, "events", "requeue").returncode == 2
        assert "Nothing waits" in command(server, "events", "list").stdout


def test_a_channel_can_be_tried(tmp_path: Path, hook: Receiver):
    server = configured_server(tmp_path, CORP | webhook(tmp_path, hook))
    done = command(server, "events", "test", "ops")
    assert (done.returncode, done.stdout) == (0, "ops: delivered.\n")
    (post,) = hook.posts
    post.require_signed(SECRET)
    assert post.event["type"] == "certctl.test"
    hook.says(status=500)
    done = command(server, "events", "test", "ops")
    assert done.returncode == 1
    assert "ops: not delivered: it answered with status 500." in done.stderr
    assert command(server, "events", "test", "siem").returncode == 3
    (tmp_path / "ops.secret").unlink()
    done = command(server, "events", "test", "ops")
    assert done.returncode == 1
    assert "the secret of channel ops" in done.stderr


def test_what_expires_soon_is_told_once(tmp_path: Path, hook: Receiver):
    bundle = ForeignCA("factory", days=(-1, 5)).bundle(tmp_path / "factory.pem")
    corp = {name: text for name, text in CORP.items() if "OWN_ONLY" not in name} | {
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
        "ISSUER_ISS_LOCAL_VALIDITY": "12h",
    }
    with configured_server(tmp_path, corp) as server:
        enrolled(server, tmp_path, "pump")
        revoked = enrolled(server, tmp_path, "revoked")
        assert command(server, "certificates", "revoke", serial(revoked)).returncode == 0
        renewed = enrolled(server, tmp_path, "renewed")
        assert renewed.enroll(server, RENEW, with_certificate=True).status == 200
        assert statuses(server) == [], "no channel, no events"
    server = configured_server(tmp_path, corp | webhook(tmp_path, hook))
    with server:
        hook.wait(lambda posts: len(posts) >= 3)
        until(server, *[DeliveryStatus.DELIVERED] * 3)
        enrolled(server, tmp_path, "later")
        hook.wait(lambda posts: len(posts) >= 4)
    told = {
        (each["type"], each["data"].get("serial"), each["data"].get("days"))
        for each in hook.events()
        if each["type"] != "cert.issued"
    }
    records = server.records()
    serials = {each.subject: each.serial for each in records.certificates()}
    records.close()
    assert told == {
        ("cert.expiring_soon", serials["CN=pump"], 1),
        ("cert.expiring_soon", serial(renewed), 1),
        ("trust.expiring_soon", None, 7),
    }
