"""Event channels out of what was given (config §3)."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Any, Final
from urllib.parse import urlsplit

from certctl.settings.catalogue import events as names
from certctl.settings.channels import (
    MAIL,
    SLACK,
    EventSettings,
    MailSettings,
    MailTLS,
    SlackSettings,
    WebhookSettings,
)
from certctl.settings.given import Given
from certctl.settings.names import doubled_infixes
from certctl.settings.path_id import MAX_LENGTH, PATH_ID
from certctl.settings.schema import ServerSettings
from certctl.settings.secret import SecretSource
from certctl.settings.variable import Variable

NAME_RULE: Final = f"1 to {MAX_LENGTH} of a-z 0-9 -, no hyphen at either end"
IMPLICIT_TLS_PORT: Final = 465
SUBMISSION_PORT: Final = 587
PLAIN_PORT: Final = 25

NO_SECRET: Final = SecretSource()
"""Completes the value where the missing one is refused."""

SHORT_SECRET: Final = 16
"""Fewer characters can be tried out on one signed event, without asking anybody."""


def event_settings(given: Given, server: ServerSettings) -> EventSettings:
    """All channels; faults across variables go into the report."""
    webhooks = (*_named(given), *_unnamed(given))
    slack = given.value(names.SLACK_WEBHOOK_URL)
    if not webhooks:
        for variable in (names.WEBHOOK_SECRET, names.WEBHOOK_TYPES):
            _warn_idle(given, variable, "there is no webhook")
    if slack is None:
        _warn_idle(given, names.SLACK_TYPES, f"{names.SLACK_WEBHOOK_URL.full_name()} is not set")
    days: tuple[int, ...] = given.value(names.EXPIRY_NOTICE_DAYS)
    return EventSettings(
        source=server.public_url or "urn:certctl",
        notice_days=tuple(sorted({*days}, reverse=True)),
        allow_private=given.value(names.WEBHOOK_ALLOW_PRIVATE),
        webhooks=webhooks,
        mail=_mail(given),
        slack=SlackSettings(url=slack, types=given.value(names.SLACK_TYPES)) if slack else None,
    )


def _named(given: Given) -> tuple[WebhookSettings, ...]:
    written = given.value(names.WEBHOOKS)
    listed = tuple(dict.fromkeys(item.lower() for item in written))
    if len(written) > len(listed):
        given.refuse(names.WEBHOOKS, "", "a webhook is listed twice", "list each once")
    for spelled, owners in doubled_infixes(listed).items():
        fitting = ", ".join(owners)
        given.refuse(
            names.WEBHOOKS, "", f"the infix {spelled} fits two names: {fitting}", "rename one"
        )
    found = []
    for owner in listed:
        if PATH_ID.fullmatch(owner) is None or owner in {MAIL, SLACK}:
            given.refuse(
                names.WEBHOOKS, "", f'bad name "{owner}"', "rename the webhook", allowed=NAME_RULE
            )
        if not given.is_set(names.URL, owner):
            given.refuse(names.URL, owner, "no URL", "set it")
        types = given.value(names.TYPES_OF_ONE, owner) or given.value(names.WEBHOOK_TYPES)
        own = names.SECRET if given.is_set(names.SECRET, owner) else names.WEBHOOK_SECRET
        variable_owner = owner if own is names.SECRET else ""
        url = given.value(names.URL, owner)
        secret = _secret(given, own, variable_owner, owner) or NO_SECRET
        found.append(WebhookSettings(name=owner, url=url or "", secret=secret, types=types))
        _warn_clear(given, names.URL, owner, url)
    return tuple(found)


def _unnamed(given: Given) -> tuple[WebhookSettings, ...]:
    urls = given.value(names.WEBHOOK_URLS)
    if not urls:
        return ()
    secret = _secret(given, names.WEBHOOK_SECRET, "", "") or NO_SECRET
    types = given.value(names.WEBHOOK_TYPES)
    seen: Tally[str] = Tally()
    found = []
    for url in dict.fromkeys(urls):
        host = f"webhook:{urlsplit(url).netloc.lower()}"
        seen[host] += 1
        name = host if seen[host] == 1 else f"{host}#{seen[host]}"
        found.append(WebhookSettings(name=name, url=url, secret=secret, types=types))
        _warn_clear(given, names.WEBHOOK_URLS, "", url)
    return tuple(found)


def _secret(
    given: Given, variable: Variable[SecretSource | None], owner: str, webhook: str
) -> SecretSource | None:
    """The key of a webhook: an event that nobody can verify is worth nothing."""
    source = given.value(variable, owner)
    if source is None and given.sound(owner, variable):
        subject, name = (
            (names.URL, names.SECRET.full_name(webhook))
            if webhook
            else (names.WEBHOOK_URLS, names.WEBHOOK_SECRET.full_name())
        )
        given.refuse(subject, webhook, "no secret to sign its events with", f"set {name}_FILE")
    _warn_given(given, variable, owner, source)
    if source is not None and source.given is not None and len(source.given) < SHORT_SECRET:
        given.warn(
            variable, owner, f"shorter than {SHORT_SECRET} characters", "make it of random ones"
        )
    return source


def _mail(given: Given) -> MailSettings | None:
    host = given.value(names.SMTP_HOST)
    if host is None:
        if given.sound("", names.SMTP_HOST):
            _refuse_homeless(given)
        return None
    sender, recipients = (
        given.value(names.SMTP_FROM_ADDRESS),
        given.value(names.SMTP_TO_ADDRESSES),
    )
    needed: tuple[Variable[Any], ...] = (names.SMTP_FROM_ADDRESS, names.SMTP_TO_ADDRESSES)
    for variable in needed:
        if not given.is_set(variable):
            given.refuse(variable, "", "a mail server, but no such address", "set it")
    username, password = given.value(names.SMTP_USERNAME), given.value(names.SMTP_PASSWORD)
    use_tls = given.value(names.SMTP_USE_TLS)
    if given.sound("", names.SMTP_USERNAME, names.SMTP_PASSWORD):
        if (username is None) != (password is None):
            variable = names.SMTP_PASSWORD if username is None else names.SMTP_USERNAME
            given.refuse(
                variable, "", "user name and password come together", "set both or none of the two"
            )
        elif password is not None and not use_tls:
            given.refuse(
                names.SMTP_USE_TLS,
                "",
                "off: the password would be sent in the clear",
                "turn it on, or do without user name and password",
            )
    _warn_given(given, names.SMTP_PASSWORD, "", password)
    port = given.value(names.SMTP_PORT) or (SUBMISSION_PORT if use_tls else PLAIN_PORT)
    tls = MailTLS.IMPLICIT if port == IMPLICIT_TLS_PORT else MailTLS.STARTTLS
    return MailSettings(
        host=host,
        port=port,
        tls=tls if use_tls else MailTLS.NONE,
        sender=sender or "",
        recipients=tuple(dict.fromkeys(recipients)),
        username=username,
        password=password,
        types=given.value(names.SMTP_TYPES),
    )


def _refuse_homeless(given: Given) -> None:
    for variable in names.EVENT_VARIABLES:
        if variable.name.startswith("SMTP_") and given.is_set(variable):
            given.refuse(
                variable,
                "",
                f"is set, but {names.SMTP_HOST.full_name()} is not",
                "name the mail server, or unset it",
            )


def _warn_idle(given: Given, variable: Variable[Any], why: str) -> None:
    if given.is_set(variable):
        given.warn(variable, "", f"has no effect: {why}", "unset it")


def _warn_given(
    given: Given, variable: Variable[Any], owner: str, source: SecretSource | None
) -> None:
    if source is not None and source.path is None:
        given.warn(
            variable,
            owner,
            "the environment is seen by all processes, those facing the network too",
            f"write it to a file and set {variable.full_name(owner)}_FILE",
        )


def _warn_clear(given: Given, variable: Variable[Any], owner: str, url: str | None) -> None:
    if url is not None and url.startswith("http:"):
        given.warn(
            variable, owner, "events go over the network in the clear", "use an https:// URL"
        )
