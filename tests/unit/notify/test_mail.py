"""Mails over a real SMTP server: with TLS, with login, refused, hanging."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certctl.domain.events import Delivery, EventType
from certctl.domain.ports import DeliveryFailed
from certctl.notify.mail import Mail, MailServer
from tests.harness.mailbox import mailbox
from tests.unit.notify.test_webhook import NOW_US, delivery
from tests.unit.settings.rig import Files

LOGIN = ("ca", "planted-mail-password")


# TLS says goodbye after the mail is handed in, and here the loop ends before that.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed (transport|<socket):ResourceWarning")


@pytest.fixture(autouse=True)
def _nothing_left_over() -> Iterator[None]:
    """Sockets left open by that are collected here, not in another test."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed (transport|<socket)", ResourceWarning)
        gc.collect()


def send(port: int, told: Delivery | None = None, **server: Any) -> None:
    made = MailServer(
        host="localhost", port=port, **{"implicit_tls": False, "start_tls": False} | server
    )
    assert LOGIN[1] not in repr(made)
    mail = Mail(
        "mail",
        made,
        sender="ca@certctl.example",
        recipients=["ops@hospital.example", "pki@hospital.example"],
        clock=lambda: NOW_US,
        total_seconds=3.0,
    )
    asyncio.run(mail.deliver(told or delivery(subject="CN=pump")))


def refused(port: int, **server: Any) -> str:
    with pytest.raises(DeliveryFailed) as failure:
        send(port, **server)
    assert LOGIN[1] not in f"{failure.value!r} {failure.value.__cause__!r}"
    return str(failure.value)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server that the system trusts."""
    files = Files(tmp_path)
    pem = files.write("c.pem", files.certificate_pem(dns="localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, files.write("k.pem", files.key_pem()))
    monkeypatch.setenv("SSL_CERT_FILE", pem)
    return context


def test_a_mail_says_what_happened_to_all_receivers() -> None:
    with mailbox() as box:
        send(box.port)
    (mail,) = box.mails
    message = mail.message
    assert (mail.sender, mail.over_tls) == ("ca@certctl.example", False)
    assert mail.recipients == ["ops@hospital.example", "pki@hospital.example"]
    assert message["Subject"] == "[certctl] Certificate revoked: CN=pump"
    assert message["To"] == "ops@hospital.example, pki@hospital.example"
    assert message["Message-ID"] == "<e1@certctl.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "subject: CN=pump" in message.get_content().splitlines()


def test_names_add_no_headers() -> None:
    nasty = "CN=x\r\nBcc: evil@evil.example\r\n\r\n.\r\nMAIL FROM:<x>" + "y" * 900
    with mailbox() as box:
        send(box.port, delivery(EventType.CERT_EXPIRING_SOON, subject=nasty, sans=[nasty]))
    (mail,) = box.mails
    assert "Bcc" not in mail.message
    assert mail.recipients == ["ops@hospital.example", "pki@hospital.example"]
    assert "\\u000d\\u000aBcc:" in mail.message["Subject"]


def test_tls_and_login(tls: ssl.SSLContext) -> None:
    with mailbox(start_tls=tls, login=LOGIN) as box:
        send(box.port, start_tls=True, credentials=LOGIN)
        assert [(each.over_tls, each.user) for each in box.mails] == [(True, LOGIN[0])]
        assert "535" in refused(box.port, start_tls=True, credentials=(LOGIN[0], "wrong"))
        assert "530" in refused(box.port, start_tls=True)
    assert len(box.mails) == 1


def test_tls_from_the_start(tls: ssl.SSLContext) -> None:
    with mailbox(implicit_tls=tls) as box:
        send(box.port, implicit_tls=True)
        assert [each.over_tls for each in box.mails] == [True]


def test_a_server_without_starttls_gets_nothing() -> None:
    with mailbox() as box:
        refused(box.port, start_tls=True, credentials=LOGIN)
    assert not box.mails


def test_a_certificate_nobody_trusts_gets_nothing(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with mailbox(start_tls=tls) as box:
        refused(box.port, start_tls=True)
    assert not box.mails


def test_refusals_are_failures_with_their_code() -> None:
    with mailbox() as box:
        box.answer = "452 no room: planted-mail-password"
        assert "452" in refused(box.port)
        box.answer, box.unknown = "250 OK", frozenset({"ops@hospital.example"})
        send(box.port)
        assert [each.recipients for each in box.mails] == [["pki@hospital.example"]]
        box.unknown |= {"pki@hospital.example"}
        assert "[550]" in refused(box.port)


def test_a_server_that_hangs_or_is_away_is_a_failure() -> None:
    with mailbox() as box:
        box.hangs = True
        assert "in time" in refused(box.port)
    assert "could not be sent" in refused(box.port)
