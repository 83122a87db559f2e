"""A real SMTP server on loopback: keeps mails, or refuses, hangs and hangs up as told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.harness.server import free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    sender: str
    recipients: list[str]
    message: EmailMessage
    over_tls: bool
    user: str


@dataclass
class Mailbox:
    """``answer`` to each mail; ``login`` is what it wants before it takes one."""

    port: int
    login: tuple[str, str] | None = None
    answer: str = "250 OK"
    hangs: bool = False
    unknown: frozenset[str] = frozenset()
    mails: list[Mail] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.answer.startswith("2"):
            found = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.mails.append(
                Mail(
                    sender=envelope.mail_from,
                    recipients=envelope.rcpt_tos,
                    message=found,
                    over_tls=server.transport.get_extra_info("sslcontext") is not None,
                    user=session.auth_data.login.decode() if session.auth_data else "",
                )
            )
        return self.answer

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        good = (
            self.login is not None
            and isinstance(data, LoginPassword)
            and data.login == self.login[0].encode()
            and data.password == self.login[1].encode()
        )
        return AuthResult(success=good, handled=False, auth_data=data)


class _Implicit(Controller):
    """TLS from the start, also for the connection that tries whether it runs."""

    def _trigger_server(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((self.hostname, self.port), 5) as plain:
            context.wrap_socket(plain).close()


@contextmanager
def mailbox(
    *,
    start_tls: ssl.SSLContext | None = None,
    implicit_tls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[Mailbox]:
    """Serve until left."""
    box = Mailbox(port=free_port(), login=login)
    controller = (_Implicit if implicit_tls else Controller)(
        box,
        hostname="127.0.0.1",
        port=box.port,
        ssl_context=implicit_tls,
        tls_context=start_tls,
        require_starttls=start_tls is not None,
        auth_required=login is not None,
        auth_require_tls=start_tls is not None,
        authenticator=box.authenticate,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
