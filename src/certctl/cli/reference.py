"""The page of all commands, made from the code: ``python -m certctl.cli.reference``.

``docs/reference/cli.md`` is its output; a test holds the two together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from typing import Any, get_args, get_origin

from typer.main import get_command

from certctl.cli.device.main import Kept, When
from certctl.cli.device.main import app as device
from certctl.cli.mcp.main import app as mcp
from certctl.cli.output import Printing
from certctl.cli.remote.audit import Filters
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import What, Who
from certctl.cli.remote.main import app as remote
from certctl.cli.server import app as server

HEAD = """\
# Commands

Generated from the code by `python -m certctl.cli.reference`; do not edit.

| program | runs | |
|---|---|---|
| `certctl-server` | on the server's host | the server itself, and its operator beside it |
| `certctl-cli` | anywhere | EST by hand, the management API, and the doctor for any EST server |
| `certctl-est` | on a device | one key and certificate, kept for years |
| `certctl-mcp` | where an assistant runs | [tools for it](mcp.md); its client starts the program |

## Exit codes

| code | of all programs |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | usage: an option, a file that was named, or a setting |
| 3 | not found, or not offered |
| 4 | authentication |
| 5 | refused by a rule |
| 6 | waits for approval |
| 7 | network or TLS |
| 8 | findings |

## Environment of `certctl-cli`, `certctl-est` and `certctl-mcp`

| name | |
|---|---|
| `CERTCTL_SERVER_URL` | URL of the server; https only |
| `CERTCTL_SERVER_CA_BUNDLE_PATH` | PEM file of the CAs to trust; otherwise those of the system |
| `CERTCTL_API_KEY_FILE`, `CERTCTL_API_KEY` | the API key; never an option |
| `CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY` | `true`: trust any server; for trials |
| `CERTCTL_CONTEXT` | a named context of the config file |
| `CERTCTL_CLI_CONFIG` | the config file; otherwise `~/.config/certctl/config.toml` |
| `CERTCTL_MCP_EST_USER` | name with which `est_enroll` of `certctl-mcp` logs in |
| `CERTCTL_MCP_EST_PASSWORD_FILE` | file with the password for it |
| `CERTCTL_MCP_DOCTOR_SERVERS` | other servers for its `est_doctor`: `HOST:PORT,…`; `*` is any |

An option wins over `--context`, that over the environment, and the environment over the
context that the file calls current. The key of a context goes to the server of that
context and to no other:

```toml
current = "lab"

[contexts.lab]
server_url = "https://est.lab.example:8443"
ca_bundle = "/etc/certctl/lab-ca.pem"
api_key_file = "/home/alice/.config/certctl/lab.key"
```

## At a shell

`PROGRAM --install-completion` sets up completion for bash, zsh or fish; `certctl-mcp` has
nothing to complete. `NO_COLOR` in the environment leaves colours out. `--quiet` (`-q`),
where there are notes or a progress bar, leaves both out.

A command that lists, shows or changes something prints a table or lines for people on a
terminal, and JSON in a pipe or a file; `--output` (`--format`) chooses `table`, `json` or
`yaml` wherever it is. For certificates, requests, events and keys JSON has the fields of the
[REST API](rest.md). What is a document by itself (PEM, a CSR, a key, rules as written, an
export, a backup) has no other form.
"""

SHARED: dict[str, type[Any]] = {
    "the server": Where,
    "the caller": Who,
    "the request": What,
    "the audit filter": Filters,
    "output": Printing,
    "the identity": Kept,
    "the time": When,
}

PROGRAMS = {
    "certctl-cli": remote,
    "certctl-est": device,
    "certctl-mcp": mcp,
    "certctl-server": server,
}


def page() -> str:
    """The whole page (Markdown)."""
    return HEAD + "\n" + "\n".join(_page()) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command under its whole name."""
    for name, app in PROGRAMS.items():
        yield from _commands(name, get_command(app))


def _page() -> Iterator[str]:
    yield "# Shared options\n"
    for title, kind in SHARED.items():
        command = next(each for _, each in commands() if _has(each, kind))
        given = {each.name: each for each in command.params}
        yield f"## {title}\n\n| | takes | |\n|---|---|---|"
        yield from (_row(given[each.name]) for each in fields(kind))
        yield ""
    yield "# Every command\n"
    for name, command in commands():
        yield f"## {name}\n"
        text, examples = _said(command.help or "")
        yield text
        if examples:
            yield "\n```sh\n" + "\n".join(examples) + "\n```"
        rows = [_row(each) for each in _own(command)]
        if shared := [title for title, kind in SHARED.items() if _has(command, kind)]:
            links = ", ".join(f"[{title}](#{title.replace(' ', '-')})" for title in shared)
            yield f"\nAlso takes options of {links}."
        if rows:
            yield "\n| | takes | |"
            yield "|---|---|---|"
            yield from rows
        yield ""


def _has(command: Any, kind: type[Any]) -> bool:
    return {each.name for each in fields(kind)} <= {each.name for each in command.params}


def _own(command: Any) -> list[Any]:
    shared = {each.name for kind in SHARED.values() if _has(command, kind) for each in fields(kind)}
    return [each for each in command.params if each.name not in shared | {"help"}]


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for each in sorted(below):
        yield from _commands(f"{name} {each}", below[each])


def _said(text: str) -> tuple[str, list[str]]:
    """The text without its examples, and those."""
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    examples = [part for part in parts if part.startswith("Example: ")]
    rest = "\n\n".join(part for part in parts if part not in examples)
    return rest, [each.removeprefix("Example: ") for each in examples]


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{each}`" for each in parameter.opts)
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    takes = "" if getattr(parameter, "is_flag", False) else _takes(parameter)
    if parameter.required:
        takes += ", required" if takes else "required"
    told = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    return f"| {names} | {takes} | {told} |"


def _takes(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) is list:
        return f"{_name(get_args(kind)[0])}, many"
    default = parameter.default
    if isinstance(default, StrEnum):
        return f"{_name(kind)}; `{default.value}`"
    if isinstance(default, (int, float, str)) and default != "":
        return f"{_name(kind)}; `{default}`"
    return _name(kind)


def _name(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ", ".join(f"`{each.value}`" for each in kind)
    return str(getattr(kind, "__name__", kind)).lower()


if __name__ == "__main__":
    sys.stdout.write(page())
