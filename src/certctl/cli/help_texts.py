"""Help texts that fit any terminal: paragraphs of docstrings without their line breaks.

Typer keeps those breaks behind the first paragraph, so that each line of the source was
folded again, into one long line and one of a word or two.
"""

from __future__ import annotations

import inspect

import typer


def run(app: typer.Typer) -> None:
    """Run a program."""
    _reflow(app)
    app()


def reflowed(text: str) -> str:
    """Paragraphs, each in one line; blank lines divide them."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _reflow(app: typer.Typer) -> None:
    for command in app.registered_commands:
        doc = command.help or (command.callback.__doc__ if command.callback else None)
        if doc:
            command.help = reflowed(doc)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _reflow(group.typer_instance)
