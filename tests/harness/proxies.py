"""nginx and haproxy as child processes, configured by the very page an operator reads."""

from __future__ import annotations

import dataclasses
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.harness.server import RunningServer, free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "behind-a-proxy.md"
FOLDER = "/etc/est-proxy"
START_SECONDS = 20
STOP_SECONDS = 10

NGINX_AROUND = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/proxy.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{page}
}}
"""


class Kind(StrEnum):
    NGINX = "nginx"
    HAPROXY = "haproxy"


class ProxyDidNotStart(AssertionError):
    """The proxy ended or did not listen; the text is all it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyIdentity:
    """The client certificate of a proxy, and the setting that makes it a trusted one."""

    directory: Path
    setting: str

    @classmethod
    def make(cls, directory: Path) -> ProxyIdentity:
        """As the page says, by its own lines."""
        directory.mkdir(exist_ok=True)
        made = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block("sh")],
            cwd=directory,
            capture_output=True,
            check=True,
            timeout=START_SECONDS,
        )
        printed = made.stdout.decode().strip()
        return cls(directory=directory, setting=printed.removeprefix("CERTCTL_TRUSTED_PROXIES="))

    def read(self, suffix: str) -> bytes:
        return (self.directory / f"proxy-client.{suffix}").read_bytes()


@dataclass
class ServerBehind(RunningServer):
    """A server as clients behind a proxy reach it; files and records are its own."""

    direct_port: int = 0

    def log(self) -> str:
        """With the addresses it prints leading through the proxy."""
        return super().log().replace(f"localhost:{self.direct_port}", f"localhost:{self.port}")


def block(language: str) -> str:
    """The one code block of this language on the page."""
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


@contextmanager
def behind(
    kind: Kind,
    server: RunningServer,
    identity: ProxyIdentity,
    directory: Path,
    *,
    changes: Mapping[str, str] | None = None,
) -> Iterator[ServerBehind]:
    """Run a proxy before ``server``; ``changes`` are made to the page's configuration."""
    directory.mkdir()
    port = free_port()
    _write_files(kind, server, identity, directory)
    configuration = _configuration(kind, server.port, port, directory, changes or {})
    log = directory / "printed.log"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            _command(kind, configuration, directory),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )
    try:
        _wait(process, port, log)
        there = {
            field.name: getattr(server, field.name)
            for field in dataclasses.fields(RunningServer)
            if field.init
        }
        front = ServerBehind(**(there | {"port": port}), direct_port=server.port)
        front.process = server.process
        yield front
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _write_files(
    kind: Kind, server: RunningServer, identity: ProxyIdentity, directory: Path
) -> None:
    """The proxy shows the server's own certificate, so clients trust both alike."""
    data = server.ca_file.parent
    shutil.copy(server.ca_file, directory / "certctl-ca.pem")
    pairs = {
        "server": ((data / "server.pem").read_bytes(), (data / "server.key").read_bytes()),
        "proxy-client": (identity.read("pem"), identity.read("key")),
    }
    for name, (certificate, key) in pairs.items():
        together = certificate + key if kind is Kind.HAPROXY else certificate
        (directory / f"{name}.pem").write_bytes(together)
        (directory / f"{name}.key").write_bytes(key)


def _configuration(
    kind: Kind, server_port: int, port: int, directory: Path, changes: Mapping[str, str]
) -> Path:
    replaced = {
        **changes,
        "est.internal.example:8443": f"127.0.0.1:{server_port}",
        "est.internal.example": "localhost",
        FOLDER: str(directory),
    }
    match kind:
        case Kind.NGINX:
            replaced |= {"listen 443": f"listen 127.0.0.1:{port}", "est.example.com": "localhost"}
        case Kind.HAPROXY:
            replaced |= {"bind :443": f"bind 127.0.0.1:{port}"}
    text = block(kind.value)
    for old, new in replaced.items():
        assert old in text, f"the page does not say {old!r}"
        text = text.replace(old, new)
    if kind is Kind.NGINX:
        text = NGINX_AROUND.format(directory=directory, page=text)
    path = directory / f"{kind}.conf"
    path.write_text(text)
    return path


def _command(kind: Kind, configuration: Path, directory: Path) -> list[str]:
    match kind:
        case Kind.NGINX:
            early_log = f"error_log {directory / 'proxy.log'};"
            return ["nginx", "-p", str(directory), "-c", str(configuration), "-g", early_log]
        case Kind.HAPROXY:
            return ["haproxy", "-db", "-f", str(configuration)]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.03)
        else:
            return
    if process.poll() is None:
        process.kill()
    raise ProxyDidNotStart(f"exit code {process.wait(STOP_SECONDS)}\n{log.read_text()}")
