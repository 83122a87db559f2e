"""The page of log events: what the code writes, joined with what it means.

``docs/reference/logs.md`` is its output. ``--check`` fails where the page is another one, an
event has no meaning in ``scripts/log_events.toml``, or a meaning no event.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "certctl"
MEANINGS = Path(__file__).with_name("log_events.toml")
PAGE = ROOT / "docs" / "reference" / "logs.md"

LEVELS = ("debug", "info", "warning", "error")

# Event names that are put together, by the expression in the source.
COMPOSED = {
    "f'{self._kind.event}_reloaded'": ("trust_reloaded", "registration_authorities_reloaded"),
    "f'{self._kind.event}_reload_refused'": (
        "trust_reload_refused",
        "registration_authorities_reload_refused",
    ),
    "f'{name}_reload_refused'": (
        "certificate_profiles_reload_refused",
        "ocsp_responder_reload_refused",
        "registration_authorities_reload_refused",
        "tls_reload_refused",
        "trust_reload_refused",
    ),
    "done": ("ocsp_responders_renewed", "server_certificate_issued"),
    "failed": ("ocsp_responder_not_renewed", "server_certificate_not_renewed"),
}
BOUNDED = SOURCES / "obs" / "bounded_log.py"

HEAD = """\
# Log events

Generated from the code by `scripts/log_page.py`; do not edit.

One JSON object a line on standard error (`LOG_FORMAT=json`), or text on a terminal
(`LOG_FORMAT=text`); `LOG_LEVEL` is the least that is written. The log tells what the server
does and what failed; who did what is in the audit trail, which no log level thins out.

Every line has `timestamp` (UTC, ISO 8601, milliseconds), `level`, `process` (`supervisor`,
`authority`, `jobs`, `worker-1` …) and `event`. Where they are there:

| field | holds |
|---|---|
| `request_id` | the number that the answer shows as `X-Request-Id`, and the audit event has too |
| `profile` | EST profile, empty or `(legacy root)` for the one without a name |
| `source` | address of the client, behind a trusted proxy the one it names |
| `action` | of the audit event that says the same |
| `reason` | why, as in [refusals](refusals.md) |
| `problem`, `remedy` | what is wrong and how to mend it, for people |
| `exception` | the trace of a fault of ours |
| `trace_id`, `span_id` | the [trace](../how-to/trace.md) that it belongs to, where traces are on |
| `lines_lost` | so many lines before this one could not be written |

Values of peers are escaped, so that none can forge a line, and no field holds a secret.

| event | level | fields | means |
|---|---|---|---|
"""


@dataclass(slots=True)
class Event:
    """One event, over all places that write it."""

    levels: set[str] = field(default_factory=set)
    fields: dict[str, None] = field(default_factory=dict)


def main(arguments: list[str]) -> int:
    meanings = tomllib.loads(MEANINGS.read_text(encoding="utf-8"))
    found = events()
    for name, meaning in meanings.items():
        if "fields" in meaning:
            event = found.setdefault(name, Event())
            event.fields.update(dict.fromkeys(meaning["fields"]))
            event.levels.update(meaning.get("levels", ["info"]))
    faults = [f"{name}: no meaning in {MEANINGS.name}" for name in found.keys() - meanings.keys()]
    faults += [f"{name}: the code writes no such event" for name in meanings.keys() - found.keys()]
    if faults:
        print("\n".join(sorted(faults)), file=sys.stderr)
        return 1
    page = HEAD + "".join(_row(name, found[name], meanings[name]) for name in _sorted(found))
    if "--check" not in arguments:
        sys.stdout.write(page)
        return 0
    if PAGE.read_text(encoding="utf-8") != page:
        print(f"run: scripts/log_page.py > {PAGE.relative_to(ROOT)}", file=sys.stderr)
        return 1
    return 0


def events() -> dict[str, Event]:
    """What the code writes."""
    found: dict[str, Event] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        if path == BOUNDED:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for name, level, fields in _written(node):
                    event = found.setdefault(name, Event())
                    event.levels.add(level)
                    event.fields.update(dict.fromkeys(fields))
    return found


def _written(call: ast.Call) -> Iterator[tuple[str, str, list[str]]]:
    """Event, level and fields of a call that writes a line."""
    fields = [("exception" if each.arg == "exc_info" else each.arg) for each in call.keywords]
    named = [each for each in fields if each is not None]
    match call.func:
        case ast.Attribute(attr=level, value=logger) if level in LEVELS and _is_log(logger):
            for name in _names(call.args[0]):
                yield name, level, named
        case ast.Name(id="BoundedLog"):
            (name,) = (each.value for each in call.keywords if each.arg == "event")
            assert isinstance(name, ast.Constant)  # noqa: S101 - of our own code
            yield str(name.value), "info", []
            yield f"{name.value}_more", "info", ["count"]
        case ast.Attribute(attr="info", value=ast.Attribute(attr="_lines")):
            yield "edge_refused", "info", named


def _is_log(logger: ast.expr) -> bool:
    return ast.unparse(logger).rpartition(".")[2] in ("log", "_log")


def _names(event: ast.expr) -> tuple[str, ...]:
    if isinstance(event, ast.Constant):
        return (str(event.value),)
    text = ast.unparse(event)
    if text not in COMPOSED:
        raise SystemExit(f"scripts/log_page.py: which events is {text}?")
    return COMPOSED[text]


def _sorted(found: dict[str, Event]) -> list[str]:
    return sorted(found, key=str.lower)


def _row(name: str, event: Event, meaning: dict[str, str | list[str]]) -> str:
    levels = ", ".join(level for level in LEVELS if level in event.levels)
    fields = ", ".join(f"`{each}`" for each in (*event.fields, *meaning.get("more", ())))
    return f"| `{name}` | {levels} | {fields} | {meaning['meaning']} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
