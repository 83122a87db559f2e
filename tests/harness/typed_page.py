"""A page of docs as what a person does with it: lines to type, what they show, and clicks.

A block ``sh`` is typed, line by line; the block ``text`` right below it is what it shows, word
for word but for ``…``, which stands for anything within a line, and alone on a line for any
lines; without one, nothing is shown. A command ends with 0 unless ``echo $?`` follows it. A
block ``sh server`` is for the terminal of the server: Ctrl-C, its line, and then what is
below it appears. Sentences outside of blocks are followed in a browser where they say open,
paste, press or see. Blocks of other kinds, ``bash`` among them, are only shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.harness.terminal import Terminal

FENCE = re.compile(r"^```(\S*)[ ]?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLICK = re.compile(
    r"\b[Oo]pen `(?P<open>/[^`]*)`"
    r"|\b[Pp]aste the text of `(?P<file>[^`]+)` into \*\*(?P<field>[^*]+)\*\*"
    r"|\b[Pp]ress \*\*(?P<press>[^*]+)\*\*"
    r"|\b(?:see|and) \*\*(?P<see>[^*]+)\*\*"
)
ASKS_CODE = "echo $?"


@dataclass(frozen=True)
class Typed:
    """Lines for a terminal, and what they are to show; None: nothing."""

    lines: tuple[str, ...]
    shows: str | None
    server: bool


@dataclass(frozen=True)
class Said:
    """Prose between blocks."""

    text: str


def steps(page: str) -> Iterator[Typed | Said]:
    """The page in its order."""
    blocks = list(FENCE.finditer(page))
    at = 0
    for number, block in enumerate(blocks):
        yield Said(page[at : block.start()])
        at = block.end()
        if block[1] != "sh":
            continue
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        below = after is not None and not page[block.end() : after.start()].strip()
        shows = after[3] if after is not None and below and after[1] == "text" else None
        yield Typed(tuple(block[3].splitlines()), shows, server=block[2] == "server")
    yield Said(page[at:])


def as_pattern(shown: str) -> re.Pattern[str]:
    """What a ``text`` block stands for."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n"
        for line in shown.splitlines()
    ]
    return re.compile("".join(lines))


@dataclass
class Reader:
    """A person with two terminals and a browser."""

    operator: Terminal
    server: Terminal
    browser: Callable[[], Page]
    url: str

    def follow(self, page: str) -> None:
        for step in steps(page):
            match step:
                case Said():
                    self._click(step.text)
                case Typed(server=True):
                    self._serve(step)
                case Typed():
                    self._type(step)

    def _serve(self, step: Typed) -> None:
        self.server.interrupt()
        for line in step.lines:
            self.server.send(line)
        assert step.shows is not None
        self.server.until(as_pattern(step.shows))

    def _type(self, step: Typed) -> None:
        shown = ""
        lines = step.lines
        for number, line in enumerate(lines):
            text, code = self.operator.type(line)
            shown += text
            following = lines[number + 1 : number + 2]
            good = code in (None, 0) or following == (ASKS_CODE,)
            assert good, f"{line}\n{text}ended with {code}"
        wanted = as_pattern(step.shows or "")
        assert wanted.fullmatch(shown), "\n".join(
            (*step.lines, "--- the page says", step.shows or "", "--- it showed", shown)
        )

    def _click(self, text: str) -> None:
        for found in CLICK.finditer(" ".join(text.split())):
            tab = self.browser()
            if found["open"]:
                tab.goto(self.url + found["open"])
            elif found["file"]:
                secret = Path(self.operator.directory, found["file"]).read_text().strip()
                tab.get_by_label(found["field"]).fill(secret)
            elif found["press"]:
                name = found["press"]
                button = tab.get_by_role("button", name=name, exact=True)
                link = tab.get_by_role("link", name=name, exact=True)
                button.or_(link).first.click()
            else:
                tab.get_by_text(found["see"]).first.wait_for()


def no_browser() -> Page:
    """For pages on which nothing is to be clicked."""
    raise AssertionError("this page has steps for a browser")
