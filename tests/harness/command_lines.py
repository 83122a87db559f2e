"""One good line for every command of the three programs, run in this process."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from typer.testing import CliRunner, Result

from certctl.cli.reference import PROGRAMS, commands

NOBODY = "0" * 32
"""An id, and a serial number, of nothing on record."""

LINES = {
    name: f"{name} {arguments}".strip()
    for name, arguments in {
        "certctl-cli audit checkpoints": "",
        "certctl-cli audit follow": "",
        "certctl-cli audit list": "",
        "certctl-cli audit show": NOBODY,
        "certctl-cli certificates chain": NOBODY,
        "certctl-cli certificates import": "--file device.pem",
        "certctl-cli certificates list": "",
        "certctl-cli certificates release": NOBODY,
        "certctl-cli certificates revoke": NOBODY,
        "certctl-cli certificates show": NOBODY,
        "certctl-cli doctor": "https://localhost:1",
        "certctl-cli est activity": "",
        "certctl-cli est bulk-revoke": "--profile corp --dry-run",
        "certctl-cli est cacerts": "--profile gone",
        "certctl-cli est csrattrs": "--profile gone",
        "certctl-cli est enroll": "--profile gone --csr device.csr",
        "certctl-cli est explain": "--profile gone --csr device.csr",
        "certctl-cli est fullcmc": "--profile gone --csr device.csr",
        "certctl-cli est profiles": "",
        "certctl-cli est reenroll": "--profile gone --csr device.csr",
        "certctl-cli est reload-trust": "--profile gone",
        "certctl-cli est requests approve": NOBODY,
        "certctl-cli est requests deny": f"{NOBODY} --reason no",
        "certctl-cli est requests list": "",
        "certctl-cli est requests show": NOBODY,
        "certctl-cli est revoke": NOBODY.replace("0", "1"),
        "certctl-cli est serverkeygen": "--profile gone --csr device.csr --out made",
        "certctl-cli est test": "--profile gone",
        "certctl-cli issuers create": "made",
        "certctl-cli issuers csr": "gone",
        "certctl-cli issuers delete": "gone",
        "certctl-cli issuers disable": "gone",
        "certctl-cli issuers enable": "gone",
        "certctl-cli issuers install": "gone --file device.pem",
        "certctl-cli issuers list": "",
        "certctl-cli issuers rename": "gone --name other",
        "certctl-cli issuers show": "gone",
        "certctl-cli issuers test": "gone",
        "certctl-cli keys create": "alice --role viewer",
        "certctl-cli keys list": "",
        "certctl-cli keys revoke": NOBODY,
        "certctl-cli profiles delete": "gone",
        "certctl-cli profiles list": "",
        "certctl-cli profiles put": "gone --file rules.toml",
        "certctl-cli profiles show": "gone",
        "certctl-est daemon": "--profile gone --dir device --cn device",
        "certctl-est enroll": "--profile gone --dir device --cn device",
        "certctl-est renew": "--profile gone --dir kept --force",
        "certctl-mcp": "",
        "certctl-server audit export": "-",
        "certctl-server audit verify": "",
        "certctl-server backup": "made.backup",
        "certctl-server cert-check": "",
        "certctl-server certificates bulk-revoke": "--reason superseded --profile corp --dry-run",
        "certctl-server certificates import": "device.pem",
        "certctl-server certificates list": "",
        "certctl-server certificates release": NOBODY,
        "certctl-server certificates revoke": NOBODY,
        "certctl-server certificates search": "device",
        "certctl-server certificates show": NOBODY,
        "certctl-server check": "",
        "certctl-server events dead": "",
        "certctl-server events list": "",
        "certctl-server events requeue": NOBODY,
        "certctl-server events show": NOBODY,
        "certctl-server events test": "gone",
        "certctl-server explain": "--profile gone --csr device.csr",
        "certctl-server intents list": "",
        "certctl-server intents show": NOBODY,
        "certctl-server keys create": "alice",
        "certctl-server keys list": "",
        "certctl-server keys revoke": NOBODY,
        "certctl-server migrate": "",
        "certctl-server profiles delete": "gone",
        "certctl-server profiles list": "",
        "certctl-server profiles put": "rules.toml",
        "certctl-server profiles show": "gone",
        "certctl-server quickstart": "",
        "certctl-server requests approve": NOBODY,
        "certctl-server requests deny": f"{NOBODY} --reason no",
        "certctl-server requests list": "",
        "certctl-server requests show": NOBODY,
        "certctl-server restore": "made.backup",
        "certctl-server serve": "",
        "certctl-server trust list": "--profile gone",
        "certctl-server trust reload": "--profile gone",
    }.items()
}
"""Whatever a line names is not there: certificate, request, key, EST profile."""

COMMANDS = dict(commands())


def for_people(*arguments: object) -> list[str]:
    """Arguments of ``certctl-server``, to print what it prints on a terminal."""
    given = [str(each) for each in arguments]
    names = (" ".join(["certctl-server", *given[:length]]) for length in (2, 1))
    command = next(each for each in names if each in COMMANDS)
    options = {option for each in COMMANDS[command].params for option in each.opts}
    chosen = any(each.startswith(("--output", "--format", "--json")) for each in given)
    return given if chosen or "--output" not in options else [*given, "--output", "table"]


def ran(line: str, environment: Mapping[str, str]) -> Result:
    """The line with these variables and no other settings."""
    program, *arguments = shlex.split(line)
    unset = dict.fromkeys((name for name in os.environ if name.startswith("CERTCTL_")), None)
    return CliRunner().invoke(
        PROGRAMS[program], arguments, prog_name=program, env={**unset, **environment}
    )
