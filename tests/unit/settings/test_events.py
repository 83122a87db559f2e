"""Channels of events: webhooks with and without names, mail, Slack."""

from __future__ import annotations

import pytest

from certctl.domain.events import EventType
from certctl.settings.channels import FEWER_TYPES, TYPES, MailTLS
from tests.unit.settings.rig import Files, Load, Refuse

SECRET = "a-key-of-enough-characters"
UNNAMED = {"WEBHOOK_URLS": "https://a.example/x?token=t", "WEBHOOK_SECRET": SECRET}
OPS = {"WEBHOOKS": "ops", "WEBHOOK_OPS_URL": "https://ops.example", "WEBHOOK_OPS_SECRET": SECRET}
MAIL = {
    "SMTP_HOST": "mail.example",
    "SMTP_FROM_ADDRESS": "ca@example.com",
    "SMTP_TO_ADDRESSES": "ops@example.com, pki@example.com",
}


def test_without_channels_nothing_is_wanted(load: Load) -> None:
    events = load({}).events
    assert events.wanted() == {}
    assert events.channel_names() == ()
    assert events.notice_days == (30, 7, 1)


def test_webhooks_without_names_are_called_after_their_hosts(load: Load) -> None:
    urls = "https://a.example/x?token=t,https://A.example/y,https://b.example:8443/,https://a.example/y"
    events = load(UNNAMED | {"WEBHOOK_URLS": urls}).events
    names = ["webhook:a.example", "webhook:a.example#2", "webhook:b.example:8443"]
    assert [each.name for each in events.webhooks] == [*names, "webhook:a.example#3"]
    assert {each.secret.read().reveal() for each in events.webhooks} == {SECRET}
    assert set(events.wanted()) == set(TYPES)


def test_named_webhooks_have_what_is_theirs_and_else_what_is_everybodys(
    load: Load, files: Files
) -> None:
    variables = OPS | {
        "WEBHOOKS": "OPS, two-b",
        "WEBHOOK_TWO_B_URL": "https://b.example/",
        "WEBHOOK_TWO_B_TYPES": "cert.revoked",
        "WEBHOOK_SECRET_FILE": files.write("key", b"everybodys-key-of-some-length\n"),
        "WEBHOOK_TYPES": "cert.issued,cert.revoked",
    }
    events = load(variables).events
    assert [(each.name, each.secret.read().reveal()) for each in events.webhooks] == [
        ("ops", SECRET),
        ("two-b", "everybodys-key-of-some-length"),
    ]
    assert events.wanted() == {
        EventType.CERT_ISSUED: ("ops",),
        EventType.CERT_REVOKED: ("ops", "two-b"),
    }


def test_a_secret_file_is_not_read_by_all_who_read_settings(load: Load) -> None:
    variables = {"WEBHOOK_URLS": "https://a.example", "WEBHOOK_SECRET_FILE": "/missing"}
    (webhook,) = load(variables).events.webhooks
    assert webhook.secret.given is None


def test_people_are_not_told_of_each_certificate(load: Load) -> None:
    events = load(MAIL | {"SLACK_WEBHOOK_URL": "https://hooks.slack.example/x"}).events
    assert events.wanted() == dict.fromkeys(FEWER_TYPES, ("mail", "slack"))
    assert EventType.CERT_ISSUED not in FEWER_TYPES


@pytest.mark.parametrize(
    ("variables", "port", "tls"),
    [
        ({}, 587, MailTLS.STARTTLS),
        ({"SMTP_PORT": "2525"}, 2525, MailTLS.STARTTLS),
        ({"SMTP_PORT": "465"}, 465, MailTLS.IMPLICIT),
        ({"SMTP_USE_TLS": "no"}, 25, MailTLS.NONE),
        ({"SMTP_USE_TLS": "no", "SMTP_PORT": "465"}, 465, MailTLS.NONE),
    ],
)
def test_mail_goes_over_tls_unless_told_otherwise(
    load: Load, variables: dict[str, str], port: int, tls: MailTLS
) -> None:
    mail = load(MAIL | variables).events.mail
    assert mail is not None
    assert (mail.port, mail.tls) == (port, tls)
    assert mail.recipients == ("ops@example.com", "pki@example.com")


@pytest.mark.parametrize(
    ("variables", "variable", "problem"),
    [
        ({"WEBHOOK_URLS": "https://a.example"}, "WEBHOOK_URLS", "no secret"),
        ({"WEBHOOKS": "ops", "WEBHOOK_SECRET": SECRET}, "WEBHOOK_OPS_URL", "no URL"),
        (
            {"WEBHOOKS": "ops", "WEBHOOK_OPS_URL": "https://a.example"},
            "WEBHOOK_OPS_URL",
            "no secret",
        ),
        (OPS | {"WEBHOOKS": "ops,ops"}, "WEBHOOKS", "twice"),
        (
            UNNAMED | {"WEBHOOKS": "mail", "WEBHOOK_MAIL_URL": "https://m.example"},
            "WEBHOOKS",
            "bad",
        ),
        (UNNAMED | {"WEBHOOK_TYPES": "cert.born"}, "WEBHOOK_TYPES", "not one of them"),
        (UNNAMED | {"WEBHOOK_TYPES": "certctl.test"}, "WEBHOOK_TYPES", "not one of them"),
        ({"SMTP_PORT": "25"}, "SMTP_PORT", "SMTP_HOST is not"),
        ({"SMTP_HOST": "mail.example"}, "SMTP_FROM_ADDRESS", "no such address"),
        (MAIL | {"SMTP_USERNAME": "u"}, "SMTP_USERNAME", "together"),
        (
            MAIL | {"SMTP_USERNAME": "u", "SMTP_PASSWORD": "p", "SMTP_USE_TLS": "off"},
            "SMTP_USE_TLS",
            "in the clear",
        ),
        (MAIL | {"SMTP_FROM_ADDRESS": "a b@example.com"}, "SMTP_FROM_ADDRESS", "not a mail"),
        (MAIL | {"SMTP_TO_ADDRESSES": "<a@example.com>"}, "SMTP_TO_ADDRESSES", "not a mail"),
        (MAIL | {"SMTP_TO_ADDRESSES": "a@b@c.d"}, "SMTP_TO_ADDRESSES", "not a mail"),
        ({"EXPIRY_NOTICE_DAYS": "0"}, "EXPIRY_NOTICE_DAYS", "out of range"),
    ],
)
def test_what_cannot_work_is_refused(
    refuse: Refuse, variables: dict[str, str], variable: str, problem: str
) -> None:
    fault = refuse(variables)[0]
    assert fault.variable == f"CERTCTL_{variable}"
    assert problem in fault.problem


@pytest.mark.parametrize(
    ("variables", "variable", "problem"),
    [
        ({"WEBHOOK_SECRET_FILE": "/x"}, "WEBHOOK_SECRET_FILE", "no webhook"),
        ({"SLACK_TYPES": "cert.issued"}, "SLACK_TYPES", "is not set"),
        (UNNAMED | {"WEBHOOK_URLS": "http://a.example"}, "WEBHOOK_URLS", "in the clear"),
        (UNNAMED, "WEBHOOK_SECRET", "seen by all processes"),
        (UNNAMED | {"WEBHOOK_SECRET": "short"}, "WEBHOOK_SECRET", "shorter than 16"),
    ],
)
def test_what_somebody_will_regret_is_warned_of(
    load: Load, variables: dict[str, str], variable: str, problem: str
) -> None:
    told = [(each.variable, each.problem) for each in load(variables).warnings]
    assert any(name == f"CERTCTL_{variable}" and problem in text for name, text in told), told


def test_urls_are_not_shown(load: Load) -> None:
    slack = {"SLACK_WEBHOOK_URL": "https://hooks.slack.example/pl4nted"}
    assert "pl4nted" not in repr(load(slack))
    assert "token=t" not in repr(load(UNNAMED))
