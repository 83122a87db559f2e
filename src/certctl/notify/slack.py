"""Incoming webhooks that take Slack's JSON: Slack, Mattermost, Rocket.Chat and others."""

from __future__ import annotations

from typing import Final

import msgspec

from certctl.domain.events import Delivery
from certctl.notify.http import Receiver
from certctl.notify.words import words

# Slack takes about one message a second.
AT_ONCE: Final = 1

# What would be a link or call people together (Slack: "Escaping text").
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack:
    """``ports.Channel`` over an incoming webhook."""

    at_once = AT_ONCE

    def __init__(self, name: str, receiver: Receiver) -> None:
        self.name = name
        self._receiver = receiver

    async def deliver(self, delivery: Delivery) -> None:
        said = words(delivery)
        text = "\n".join((f"*{_escaped(said.title)}*", *map(_escaped, said.lines)))
        message = {"text": text, "unfurl_links": False, "unfurl_media": False}
        await self._receiver.post(
            msgspec.json.encode(message), {"Content-Type": "application/json; charset=utf-8"}
        )

    async def close(self) -> None:
        await self._receiver.close()


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
