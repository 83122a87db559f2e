"""What can stop a bench run; the text is shown to the person who started it."""

from __future__ import annotations


class BenchError(Exception):
    """A row cannot be measured, or what it measured cannot be trusted."""
