"""Channels out of settings: secrets are read when they are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.settings.channels import (
    EventSettings,
    MailSettings,
    MailTLS,
    SlackSettings,
    WebhookSettings,
)
from certctl.settings.secret import SecretSource, SecretUnreadable
from certctl.wiring.channels import open_channels

OPS = WebhookSettings(
    name="ops", url="https://ops.example", secret=SecretSource(path=Path("/missing")), types=()
)
MAIL = MailSettings(
    host="mail.example", port=465, tls=MailTLS.IMPLICIT, sender="a@b.example", recipients=("c@d.e",)
)


def test_each_that_is_set_up_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-key-of-enough-characters")
    webhook = WebhookSettings(
        name="ops", url=OPS.url, secret=SecretSource(path=secret), types=OPS.types
    )
    settings = EventSettings(
        webhooks=(webhook,), mail=MAIL, slack=SlackSettings(url="https://slack.example/x")
    )
    names = [each.name for each in open_channels(settings, lambda: 0)]
    assert names == ["ops", "mail", "slack"]
    assert names == list(settings.channel_names())


def test_a_secret_that_cannot_be_read_is_said_to_be_so() -> None:
    with pytest.raises(SecretUnreadable, match=r"the secret of channel ops.*No such file"):
        open_channels(EventSettings(webhooks=(OPS,)), lambda: 0)
