"""The channels of the settings, ready to use; secrets are read here and nowhere else."""

from __future__ import annotations

import asyncio
import secrets

from certctl.domain.clock import Clock
from certctl.domain.events import Delivery, Event, EventType
from certctl.domain.ids import sortable_id
from certctl.domain.ports import Channel, DeliveryFailed
from certctl.notify.http import Receiver
from certctl.notify.mail import Mail, MailServer
from certctl.notify.slack import AT_ONCE as SLACK_AT_ONCE
from certctl.notify.slack import Slack
from certctl.notify.webhook import AT_ONCE, Webhook
from certctl.settings.channels import MAIL, SLACK, EventSettings, MailSettings, MailTLS
from certctl.settings.secret import SecretSource, SecretUnreadable
from certctl.wire.cloudevents import encode_cloudevent
from certctl.wiring.clock import system_clock


def open_channels(settings: EventSettings, clock: Clock) -> list[Channel]:
    """All of them; use them from one event loop, and close them at its end.

    Raises:
        SecretUnreadable: the file of a secret cannot be used.
    """
    private = settings.allow_private
    found: list[Channel] = [
        Webhook(
            each.name,
            Receiver(each.url, allow_private=private, connections=AT_ONCE),
            _read(each.secret, each.name).encode(),
            clock,
        )
        for each in settings.webhooks
    ]
    if settings.mail is not None:
        found.append(_mail(settings.mail, clock))
    if settings.slack is not None:
        receiver = Receiver(settings.slack.url, allow_private=private, connections=SLACK_AT_ONCE)
        found.append(Slack(SLACK, receiver))
    return found


def try_channel(settings: EventSettings, name: str) -> str | None:
    """Send a test event now; gives what is wrong, or None.

    ``name`` is that of a channel that is set up.
    """
    try:
        asyncio.run(_try(settings, name))
    except (DeliveryFailed, SecretUnreadable) as failure:
        return str(failure)
    return None


async def _try(settings: EventSettings, name: str) -> None:
    channels = open_channels(settings, system_clock)
    try:
        for channel in channels:
            if channel.name == name:
                await channel.deliver(_test_of(name, settings.source))
    finally:
        for channel in channels:
            await channel.close()


def _test_of(name: str, source: str) -> Delivery:
    now_us = system_clock()
    event = Event(
        id=sortable_id(now_us, secrets.token_bytes),
        type=EventType.TEST,
        time_us=now_us,
        subject=f"channel/{name}",
        data={"channel": name},
    )
    return Delivery(
        event_id=event.id,
        channel=name,
        type=event.type,
        subject=event.subject,
        body=encode_cloudevent(event, source=source),
        made_us=now_us,
        at_us=now_us,
    )


def _read(source: SecretSource, name: str) -> str:
    try:
        return source.read().reveal()
    except SecretUnreadable as err:
        raise SecretUnreadable(f"the file of the secret of channel {name} {err}") from err


def _mail(settings: MailSettings, clock: Clock) -> Mail:
    credentials = None
    if settings.username is not None and settings.password is not None:
        credentials = (settings.username, _read(settings.password, MAIL))
    server = MailServer(
        host=settings.host,
        port=settings.port,
        implicit_tls=settings.tls is MailTLS.IMPLICIT,
        start_tls=settings.tls is MailTLS.STARTTLS,
        credentials=credentials,
    )
    return Mail(MAIL, server, sender=settings.sender, recipients=settings.recipients, clock=clock)
