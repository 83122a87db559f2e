"""The channels that events go to, as usable settings (config §3).

Secrets are sources, read by the jobs process alone: a process that faces the network must
not be able to sign events. URLs may hold a token and are kept out of what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from certctl.domain.events import EventType
from certctl.settings.secret import SecretSource

TYPES: Final = tuple(each for each in EventType if each is not EventType.TEST)
FEWER_TYPES: Final = tuple(
    each for each in TYPES if each not in {EventType.CERT_ISSUED, EventType.CERT_RENEWED}
)
"""For people: not a message per certificate."""

MAIL: Final = "mail"
SLACK: Final = "slack"
"""Names of the channels that exist once."""


class MailTLS(StrEnum):
    """How TLS is spoken to the mail server."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """One receiver of signed events. ``secret`` is the key of its HMAC."""

    name: str
    url: str = field(repr=False)
    secret: SecretSource
    types: tuple[EventType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """The mail server, and who writes to whom. A password comes with a user name."""

    host: str
    port: int
    tls: MailTLS
    sender: str
    recipients: tuple[str, ...]
    username: str | None = None
    password: SecretSource | None = None
    types: tuple[EventType, ...] = FEWER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """An incoming webhook that takes Slack's JSON."""

    url: str = field(repr=False)
    types: tuple[EventType, ...] = FEWER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """All channels.

    Attributes:
        source: a URI that names this server in each event.
        notice_days: days before expiry on which a notice is due, most first.
    """

    source: str = "urn:certctl"
    notice_days: tuple[int, ...] = (30, 7, 1)
    allow_private: bool = False
    webhooks: tuple[WebhookSettings, ...] = ()
    mail: MailSettings | None = None
    slack: SlackSettings | None = None

    def wanted(self) -> Mapping[EventType, tuple[str, ...]]:
        """Which channels want which type; empty where there is no channel."""
        found: dict[EventType, tuple[str, ...]] = {}
        for name, types in self._channels().items():
            for each in dict.fromkeys(types):
                found[each] = (*found.get(each, ()), name)
        return found

    def channel_names(self) -> tuple[str, ...]:
        return tuple(self._channels())

    def _channels(self) -> dict[str, tuple[EventType, ...]]:
        channels = {each.name: each.types for each in self.webhooks}
        if self.mail is not None:
            channels[MAIL] = self.mail.types
        if self.slack is not None:
            channels[SLACK] = self.slack.types
        return channels
