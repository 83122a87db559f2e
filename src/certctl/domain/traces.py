"""Whose word is taken for which trace a request belongs to."""

from __future__ import annotations

from enum import StrEnum


class Believed(StrEnum):
    """Who may say it with the header ``traceparent``."""

    PROXIES = "proxies"
    EVERYBODY = "everybody"
    NOBODY = "nobody"
