"""Events as mails, over SMTP with TLS (STARTTLS or from the start).

The mail server is the operator's own and often an internal one, so its address is not
judged like a webhook's. Answers of the server are kept by their code alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import aiosmtplib

from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.events import Delivery
from certctl.domain.ports import DeliveryFailed
from certctl.notify.words import words

TOTAL_SECONDS: Final = 15.0
AT_ONCE: Final = 2
MAX_SUBJECT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mails are handed in. At most one of ``implicit_tls`` and ``start_tls``.

    ``credentials`` is (user, password), kept out of what is printed.
    """

    host: str
    port: int
    implicit_tls: bool
    start_tls: bool
    credentials: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"MailServer({self.host}:{self.port})"


class Mail:
    """``ports.Channel`` over SMTP, one connection per mail."""

    at_once = AT_ONCE

    def __init__(
        self,
        name: str,
        server: MailServer,
        *,
        sender: str,
        recipients: Sequence[str],
        clock: Clock,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.name = name
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)
        self._clock = clock
        self._total_seconds = total_seconds
        self._tls = ssl.create_default_context()

    async def deliver(self, delivery: Delivery) -> None:
        message = self._message(delivery)
        try:
            async with asyncio.timeout(self._total_seconds):
                await self._send(message)
        except TimeoutError as err:
            raise DeliveryFailed("the mail server did not answer in time") from err
        except aiosmtplib.SMTPRecipientsRefused as err:
            codes = sorted({each.code for each in err.recipients})
            raise DeliveryFailed(f"the mail server refused all receivers {codes}") from None
        except aiosmtplib.SMTPResponseException as err:
            raise DeliveryFailed(f"the mail server refused with code {err.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as err:
            raise DeliveryFailed(f"the mail could not be sent ({type(err).__name__})") from None

    async def close(self) -> None:
        """Nothing is kept between mails."""

    async def _send(self, message: EmailMessage) -> None:
        server = self._server
        user, password = server.credentials or (None, None)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=user,
            password=password,
            # Said to the server; the default would ask the name service.
            local_hostname=self._sender.rpartition("@")[2],
            use_tls=server.implicit_tls,
            start_tls=server.start_tls,
            tls_context=self._tls,
            timeout=self._total_seconds,
        )
        try:
            await client.connect()
            await client.send_message(message, sender=self._sender, recipients=self._recipients)
            # It has taken the mail: how it says goodbye changes nothing.
            with contextlib.suppress(aiosmtplib.SMTPException, TimeoutError, OSError):
                async with asyncio.timeout(1.0):
                    await client.quit()
        finally:
            client.close()

    def _message(self, delivery: Delivery) -> EmailMessage:
        said = words(delivery)
        domain = self._sender.rpartition("@")[2]
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = f"[certctl] {said.title}"[:MAX_SUBJECT]
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock() // SECOND_US, UTC))
        # The same at each attempt: mail servers and readers tell repetitions by it.
        message["Message-ID"] = f"<{delivery.event_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join((said.title, "", *said.lines, "")))
        return message
