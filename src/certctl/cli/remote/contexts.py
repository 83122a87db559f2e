"""Which server a command talks to, as whom, and whom it trusts (operator §3).

An option wins over ``--context``, that over the environment, the environment over the
current context of the file. A key never stands on the command line, where others of the
machine could read it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from certctl.client.address import Address
from certctl.client.failures import BadInput
from certctl.client.tls import Trust
from certctl.domain.plain_text import shown

SERVER_URL = "CERTCTL_SERVER_URL"
API_KEY = "CERTCTL_API_KEY"
API_KEY_FILE = "CERTCTL_API_KEY_FILE"
CA_BUNDLE = "CERTCTL_SERVER_CA_BUNDLE_PATH"
SKIP_VERIFY = "CERTCTL_SERVER_TLS_INSECURE_SKIP_VERIFY"
CONFIG = "CERTCTL_CLI_CONFIG"
CONTEXT = "CERTCTL_CONTEXT"

_FIELDS = {
    "server_url": SERVER_URL,
    "api_key_file": API_KEY_FILE,
    "ca_bundle": CA_BUNDLE,
    "insecure_skip_verify": SKIP_VERIFY,
}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Options that choose the server."""

    server: Annotated[
        str | None, typer.Option(help=f"URL of the server, https only. [{SERVER_URL}]")
    ] = None
    context: Annotated[
        str | None, typer.Option(help=f"A named context of the config file. [{CONTEXT}]")
    ] = None
    ca_bundle: Annotated[
        Path | None, typer.Option(help=f"PEM file of the CAs to trust. [{CA_BUNDLE}]")
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help=f"Trust any server. For trials. [{SKIP_VERIFY}]")
    ] = False

    def target(self) -> Target:
        """All of it put together.

        Raises:
            BadInput: no URL, not https, or a file that cannot be used.
        """
        environ = {name: value for name, value in os.environ.items() if value}
        wanted = self.context or environ.get(CONTEXT)
        named = _context(wanted, environ)
        first, second = (named, environ) if self.context else (environ, named)
        found = second | first
        url = self.server or found.get(SERVER_URL)
        if not url:
            raise BadInput(
                "Which server?", f"Give --server https://HOST:8443, {SERVER_URL}, or a context."
            )
        ca_bundle = self.ca_bundle or (Path(found[CA_BUNDLE]) if found.get(CA_BUNDLE) else None)
        return Target(
            address=Address.of(url),
            trust=Trust(ca_file=ca_bundle, verify=not (self.insecure or _skips(found))),
            key_variables={
                name: first.get(name) or second[name]
                for name in (API_KEY, API_KEY_FILE)
                if first.get(name) or second.get(name)
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server, whom to trust for it, and where its API key is."""

    address: Address
    trust: Trust
    key_variables: Mapping[str, str]

    def api_key(self) -> str | None:
        """The key, or None where none was given.

        Raises:
            BadInput: the file cannot be read, or holds no key.
        """
        key = self.key_variables.get(API_KEY)
        path = self.key_variables.get(API_KEY_FILE)
        if key is None and path is not None:
            try:
                key = Path(path).expanduser().read_text()
            except (OSError, ValueError) as err:
                raise BadInput(f"The key file {shown(path)} cannot be read.") from err
        if key is None:
            return None
        key = key.strip()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise BadInput("The API key is none.", f"See {API_KEY} and {API_KEY_FILE}.")
        return key


def config_file(environ: Mapping[str, str]) -> Path:
    """Where contexts are kept."""
    if CONFIG in environ:
        return Path(environ[CONFIG])
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "certctl" / "config.toml"


def _context(name: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of a context, under the names of the variables they stand for."""
    path = config_file(environ)
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if name is None:
            return {}
        raise BadInput(f"There is no context {shown(name)}: no file {path}.") from None
    except (OSError, ValueError) as err:
        raise BadInput(f"{path} cannot be used: {err}.") from err
    name = name or document.get("current")
    if name is None:
        return {}
    contexts = document.get("contexts")
    fields = contexts.get(name) if isinstance(contexts, dict) else None
    if not isinstance(fields, dict):
        raise BadInput(
            f"There is no context {shown(str(name))} in {path}.", "Write it as [contexts.NAME]."
        )
    unknown = [key for key in fields if key not in _FIELDS]
    if unknown:
        raise BadInput(
            f"{path}: context {shown(str(name))} has {', '.join(map(shown, unknown))}.",
            f"It may have {', '.join(_FIELDS)}.",
        )
    return {_FIELDS[key]: _text(value) for key, value in fields.items() if _text(value)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _skips(found: Mapping[str, str]) -> bool:
    text = found.get(SKIP_VERIFY, "").lower()
    if text not in _TRUE | _FALSE:
        raise BadInput(f"{SKIP_VERIFY} is {shown(text)}.", "It takes true or false.")
    return text in _TRUE
