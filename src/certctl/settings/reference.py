"""The settings table as a reference page in Markdown.

``python -m certctl.settings.reference`` prints the page that is kept in
``docs/reference/settings.md``; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from certctl.settings.catalogue import (
    EST_VARIABLES,
    EVENT_VARIABLES,
    ISSUER_VARIABLES,
    ISSUING_VARIABLES,
    PROFILE_VARIABLES,
    SERVER_VARIABLES,
    TRACING_VARIABLES,
    WEBHOOK_VARIABLES,
)
from certctl.settings.later import later_row
from certctl.settings.variable import (
    ISSUER_PREFIX,
    PREFIX,
    PROFILE_PREFIX,
    WEBHOOK_PREFIX,
    Variable,
)

INTRODUCTION: Final = """\
# Settings

Generated from the code by `python -m certctl.settings.reference`; do not edit.

Environment variables, or the same names in a file given with `--config FILE`
(`KEY=value` lines as in systemd's `EnvironmentFile`). The environment wins. An empty value
is unset. Each variable marked *secret* can be given as the path of a file instead, under
its name with `_FILE` at the end. Unknown `CERTCTL_` names are refused. All faults are shown
at once, and nothing starts on any of them: `certctl-server check` shows them too.

*later* marks what this version knows but cannot do: it is checked, and refused when it is
set to something other than its default.
"""

SECTIONS: Final = (
    ("Server", PREFIX, SERVER_VARIABLES),
    ("EST", PREFIX, EST_VARIABLES),
    ("EST profiles", f"{PREFIX}{PROFILE_PREFIX}<NAME>_", PROFILE_VARIABLES),
    ("Issuers", f"{PREFIX}{ISSUER_PREFIX}<ID>_", ISSUER_VARIABLES),
    ("Issuing, revocation", PREFIX, ISSUING_VARIABLES),
    ("Events", PREFIX, EVENT_VARIABLES),
    ("Webhooks by name", f"{PREFIX}{WEBHOOK_PREFIX}<NAME>_", WEBHOOK_VARIABLES),
    ("Traces", PREFIX, TRACING_VARIABLES),
)


def reference() -> str:
    """The whole settings table."""
    sections = ("\n".join(_section(*section)) for section in SECTIONS)
    return "\n".join((INTRODUCTION, *sections))


def _section(title: str, prefix: str, variables: tuple[Variable[Any], ...]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"Each name begins with `{prefix}`.\n"
    yield "| variable | default | takes | meaning |"
    yield "|---|---|---|---|"
    for variable in variables:
        cells = (
            f"`{variable.name}`{_marks(variable)}",
            _default(variable),
            variable.kind.allowed,
            variable.meaning,
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _marks(variable: Variable[Any]) -> str:
    row = later_row(variable)
    marks = ["*secret*"] if variable.secret else []
    if row is not None:
        marks.append("*later*" if row.works is None else f"*later* ({row.remedy})")
    return " ".join(["", *marks]) if marks else ""


def _default(variable: Variable[Any]) -> str:
    if variable.default_text:
        return variable.default_text
    match variable.default:
        case None | ():
            return "none"
        case bool(value):
            return str(value).lower()
        case value:
            return str(value)


if __name__ == "__main__":
    sys.stdout.write(reference())
