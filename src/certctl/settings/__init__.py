"""Configuration: parsed once, checked whole, refused with all faults at once.

``load_settings`` turns environment and file into a frozen ``Settings``; nothing else in
the program reads the environment. See ``docs/reference/settings.md`` for every name.
"""

from __future__ import annotations

from certctl.settings.env import load_settings
from certctl.settings.findings import Finding, SettingsRefused, Severity
from certctl.settings.render import render_findings
from certctl.settings.schema import (
    CaKeyType,
    EstProfileSettings,
    EstSettings,
    IssuerSettings,
    LogFormat,
    LogLevel,
    ServerSettings,
    Settings,
)
from certctl.settings.secret import Secret, SecretSource, SecretUnreadable
from certctl.settings.surroundings import Surroundings

__all__ = [
    "CaKeyType",
    "EstProfileSettings",
    "EstSettings",
    "Finding",
    "IssuerSettings",
    "LogFormat",
    "LogLevel",
    "Secret",
    "SecretSource",
    "SecretUnreadable",
    "ServerSettings",
    "Settings",
    "SettingsRefused",
    "Severity",
    "Surroundings",
    "load_settings",
    "render_findings",
]
