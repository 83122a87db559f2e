"""Settings of events for other systems and of the channels they go to (config §3)."""

from __future__ import annotations

from typing import Any, Final

from certctl.domain.events import EventType
from certctl.settings.channels import FEWER_TYPES, TYPES
from certctl.settings.kinds import (
    BOOLEAN,
    DEFERRED_SECRET,
    TEXT,
    choice,
    integer,
    items,
)
from certctl.settings.kinds_net import HOST, MAIL_ADDRESS, PORT, url
from certctl.settings.secret import SecretSource
from certctl.settings.variable import Scope, Variable

WEBHOOK_URL = url("https", "http")
_TYPE_LIST = items(choice(*TYPES))
_ALL = "all"
_FEWER = "all but `cert.issued` and `cert.renewed`"

EXPIRY_NOTICE_DAYS: Final[Variable[tuple[int, ...]]] = Variable(
    name="EXPIRY_NOTICE_DAYS",
    kind=items(integer(1, 3_650)),
    default=(30, 7, 1),
    default_text="30,7,1",
    meaning="Days before expiry on which a notice is sent.",
)
WEBHOOKS: Final[Variable[tuple[str, ...]]] = Variable(
    name="WEBHOOKS",
    kind=items(TEXT),
    default=(),
    meaning="Names of webhooks that have variables of their own.",
)
WEBHOOK_URLS: Final[Variable[tuple[str, ...]]] = Variable(
    name="WEBHOOK_URLS",
    kind=items(WEBHOOK_URL),
    default=(),
    secret=True,
    meaning="Receivers of events that need no name: each is called after its host.",
)
WEBHOOK_SECRET: Final[Variable[SecretSource | None]] = Variable(
    name="WEBHOOK_SECRET",
    kind=DEFERRED_SECRET,
    default=None,
    secret=True,
    deferred=True,
    meaning="Key of the HMAC-SHA256 over each event, for webhooks without one of their own.",
)
WEBHOOK_TYPES: Final[Variable[tuple[EventType, ...]]] = Variable(
    name="WEBHOOK_TYPES",
    kind=_TYPE_LIST,
    default=TYPES,
    default_text=_ALL,
    meaning="Events that webhooks receive, unless they have a list of their own.",
)
WEBHOOK_ALLOW_PRIVATE: Final = Variable(
    name="WEBHOOK_ALLOW_PRIVATE",
    kind=BOOLEAN,
    default=False,
    meaning="Webhooks (and Slack) may have private, loopback and link-local addresses.",
)
SMTP_HOST: Final[Variable[str | None]] = Variable(
    name="SMTP_HOST", kind=HOST, default=None, meaning="Mail server."
)
SMTP_PORT: Final[Variable[int | None]] = Variable(
    name="SMTP_PORT",
    kind=PORT,
    default=None,
    default_text="587 with TLS, 25 without",
    meaning="Port of the mail server; on 465 TLS is spoken from the start.",
)
SMTP_USERNAME: Final[Variable[str | None]] = Variable(
    name="SMTP_USERNAME", kind=TEXT, default=None, meaning="User at the mail server."
)
SMTP_PASSWORD: Final[Variable[SecretSource | None]] = Variable(
    name="SMTP_PASSWORD",
    kind=DEFERRED_SECRET,
    default=None,
    secret=True,
    deferred=True,
    meaning="Its password.",
)
SMTP_FROM_ADDRESS: Final[Variable[str | None]] = Variable(
    name="SMTP_FROM_ADDRESS", kind=MAIL_ADDRESS, default=None, meaning="Sender of mails."
)
SMTP_TO_ADDRESSES: Final[Variable[tuple[str, ...]]] = Variable(
    name="SMTP_TO_ADDRESSES",
    kind=items(MAIL_ADDRESS),
    default=(),
    meaning="Receivers of mails.",
)
SMTP_USE_TLS: Final[Variable[bool]] = Variable(
    name="SMTP_USE_TLS",
    kind=BOOLEAN,
    default=True,
    meaning="Nothing is sent to the mail server but over TLS (STARTTLS, except on port 465).",
)
SMTP_TYPES: Final[Variable[tuple[EventType, ...]]] = Variable(
    name="SMTP_TYPES",
    kind=_TYPE_LIST,
    default=FEWER_TYPES,
    default_text=_FEWER,
    meaning="Events that are sent as mails.",
)
SLACK_WEBHOOK_URL: Final[Variable[str | None]] = Variable(
    name="SLACK_WEBHOOK_URL",
    kind=url("https"),
    default=None,
    secret=True,
    meaning="Incoming webhook of Slack, Mattermost or the like.",
)
SLACK_TYPES: Final[Variable[tuple[EventType, ...]]] = Variable(
    name="SLACK_TYPES",
    kind=_TYPE_LIST,
    default=FEWER_TYPES,
    default_text=_FEWER,
    meaning="Events that are sent there.",
)

URL: Final[Variable[str | None]] = Variable(
    name="URL",
    kind=WEBHOOK_URL,
    default=None,
    default_text="required",
    secret=True,
    scope=Scope.WEBHOOK,
    meaning="Where its events are posted.",
)
SECRET: Final[Variable[SecretSource | None]] = Variable(
    name="SECRET",
    kind=DEFERRED_SECRET,
    default=None,
    default_text="`WEBHOOK_SECRET`",
    secret=True,
    deferred=True,
    scope=Scope.WEBHOOK,
    meaning="Key of the HMAC-SHA256 over its events.",
)
TYPES_OF_ONE: Final[Variable[tuple[EventType, ...] | None]] = Variable(
    name="TYPES",
    kind=_TYPE_LIST,
    default=None,
    default_text="`WEBHOOK_TYPES`",
    scope=Scope.WEBHOOK,
    meaning="Events it receives.",
)

EVENT_VARIABLES: Final[tuple[Variable[Any], ...]] = (
    EXPIRY_NOTICE_DAYS,
    WEBHOOKS,
    WEBHOOK_URLS,
    WEBHOOK_SECRET,
    WEBHOOK_TYPES,
    WEBHOOK_ALLOW_PRIVATE,
    SMTP_HOST,
    SMTP_PORT,
    SMTP_USERNAME,
    SMTP_PASSWORD,
    SMTP_FROM_ADDRESS,
    SMTP_TO_ADDRESSES,
    SMTP_USE_TLS,
    SMTP_TYPES,
    SLACK_WEBHOOK_URL,
    SLACK_TYPES,
)
WEBHOOK_VARIABLES: Final[tuple[Variable[Any], ...]] = (URL, SECRET, TYPES_OF_ONE)
