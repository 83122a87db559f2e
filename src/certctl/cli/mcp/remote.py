"""The tools' backend on the user's machine: the clients of ``certctl-cli``, in threads.

Credentials come from the environment alone. What a tool is given may have been thought up
by a model that read a stranger's text; so it chooses neither server nor password, of the
files it names nothing leaves but a CSR or a certificate, and the doctor goes nowhere but to
the configured server and to those that the operator of the program lists.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.to_thread
from cryptography import x509

from certctl.cli.remote.contexts import API_KEY, API_KEY_FILE, Target
from certctl.client.address import Address
from certctl.client.doctor.examine import examine
from certctl.client.est import Ask, BasicAuth, EstServer
from certctl.client.failures import BadInput, ClientFailure
from certctl.client.request import Wanted, make_csr, read_private_key
from certctl.client.rest import RestServer
from certctl.client.tls import Identity
from certctl.domain.plain_text import shown
from certctl.mcp.backend import EstAnswer, EstAsk, ToolFailure
from certctl.wiring.mcp_failures import UNAUTHORIZED, est_answer, tool_failure

T = TypeVar("T")

EST_USER: Final = "CERTCTL_MCP_EST_USER"
EST_PASSWORD_FILE: Final = "CERTCTL_MCP_EST_PASSWORD_FILE"  # noqa: S105 - the name of a variable
DOCTOR_SERVERS: Final = "CERTCTL_MCP_DOCTOR_SERVERS"
ANY_SERVER: Final = "*"

MOST_OCTETS: Final = 100_000
"""Of a file that a tool names: no CSR or chain is longer."""


@dataclass(frozen=True, slots=True)
class Examinable:
    """The servers that the doctor may connect to besides the configured one; None: any.

    An address out of a conversation could be one inside the user's network: what answers
    there, and whether anything does, would be told to whoever put it in.
    """

    servers: frozenset[tuple[str, int]] | None = frozenset()

    @classmethod
    def of(cls, text: str) -> Examinable:
        """HOST[:PORT], separated by commas; without a port it is 443; or ``*`` for any.

        Raises:
            BadInput: an entry is neither.
        """
        entries = [each.strip() for each in text.split(",") if each.strip()]
        if ANY_SERVER in entries:
            return cls(None)
        try:
            found = [Address.of(each) for each in entries]
        except BadInput as err:
            first, *_ = err.lines()
            raise BadInput(
                f"{DOCTOR_SERVERS}: {first}",
                "List HOST:PORT, separated by commas, or allow any server with *.",
            ) from err
        return cls(frozenset((each.host, each.port) for each in found))

    def require(self, wanted: Address, here: Address) -> Address:
        """The address, if it may be connected to.

        Raises:
            ToolFailure: it may not.
        """
        one = wanted.host, wanted.port
        if self.servers is None or one in self.servers or one == (here.host, here.port):
            return wanted
        raise ToolFailure(
            "server_not_allowed",
            f"This program examines {here.authority} and the servers that its operator allows;"
            f" {shown(wanted.authority)} is none of them.",
            remedy=f"Leave out url; or have the person who set up certctl-mcp add the server to"
            f" {DOCTOR_SERVERS}, or run `certctl-cli doctor`.",
        )


class Remote:
    """See ``mcp.backend.Backend``."""

    def __init__(self, target: Target, examined: Examinable) -> None:
        self._target = target
        self._examined = examined

    @property
    def request_id(self) -> str:
        return ""

    async def management(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        def ask() -> Any:
            target = self._target
            key = target.api_key()
            if key is None:
                raise BadInput(
                    "This tool needs an API key, and certctl-mcp was started without one.",
                    f"Set {API_KEY_FILE} or {API_KEY} in its environment; `certctl-server keys"
                    " create` makes a key.",
                )
            with RestServer(target.address, target.trust, key) as server:
                if method == "GET":
                    return server.get(path, **(query or {}))
                return server.write(method, path, body)

        return await _in_thread(ask)

    async def est(self, ask: EstAsk) -> EstAnswer:
        def send() -> EstAnswer:
            operation = Ask(ask.operation)
            identity = _identity(ask)
            renews = operation is Ask.REENROLL
            if renews and identity is None:
                raise BadInput(
                    "Which certificate is to be renewed?",
                    "Give cert and key: the paths of its PEM file and of its private key.",
                )
            csr = ask.csr
            if renews and csr is None and identity is not None:
                csr = _same_again(identity)
            server = EstServer(
                address=self._target.address,
                profile=ask.profile,
                trust=self._target.trust,
                basic=_basic() if operation is Ask.ENROLL else None,
                identity=identity,
                accept="application/problem+json",
            )
            body = csr
            answer = server.send(operation, (lambda _: body) if body is not None else None)
            return est_answer(answer, operation.value)

        try:
            return await _in_thread(send)
        except ToolFailure as failure:
            if failure.error == UNAUTHORIZED and ask.operation == Ask.ENROLL.value:
                failure.remedy = (
                    f"Have the person who set up certctl-mcp set {EST_USER} and"
                    f" {EST_PASSWORD_FILE}; a password does not belong in a conversation."
                )
            raise

    async def file(self, path: str) -> bytes:
        return await _in_thread(lambda: _read(Path(path).expanduser()))

    async def doctor(self, url: str | None, profile: str) -> Any:
        def look() -> Any:
            here = self._target.address
            server = EstServer(
                address=here if url is None else self._examined.require(Address.of(url), here),
                profile=profile,
                trust=self._target.trust,
            )
            return examine(server, lambda: dt.datetime.now(dt.UTC)).as_json()

        return await _in_thread(look)


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await anyio.to_thread.run_sync(work)
    except ClientFailure as failure:
        raise tool_failure(failure) from failure


def _identity(ask: EstAsk) -> Identity | None:
    if ask.certificate is None or ask.key is None:
        return None
    files = ask.certificate.expanduser(), ask.key.expanduser()
    for each in files:
        _read(each)
    return Identity(certificate_file=files[0], key_file=files[1])


def _same_again(identity: Identity) -> bytes:
    """A request for the names and with the key of a certificate (RFC 7030 §4.2.2)."""
    try:
        certificate = x509.load_pem_x509_certificate(_read(identity.certificate_file))
    except (ValueError, x509.InvalidVersion) as err:
        name = shown(str(identity.certificate_file))
        raise BadInput(f"{name} holds no certificate in PEM.") from err
    key = read_private_key(_read(identity.key_file), shown(str(identity.key_file)))
    return make_csr(Wanted.as_in(certificate), key)


def _basic() -> BasicAuth | None:
    user = os.environ.get(EST_USER)
    if not user:
        return None
    path = os.environ.get(EST_PASSWORD_FILE)
    if not path:
        raise BadInput(f"{EST_USER} is set without {EST_PASSWORD_FILE}.")
    try:
        password = Path(path).expanduser().read_text().strip("\r\n")
    except (OSError, ValueError) as err:
        raise BadInput(f"The file of {EST_PASSWORD_FILE} cannot be read.") from err
    return BasicAuth(user=user, password=password)


def _read(path: Path) -> bytes:
    """A whole file of bounded size, and no device or pipe: that could block for ever."""
    try:
        if not path.is_file():
            raise BadInput(f"There is no file {shown(str(path))}.", "Give its whole path.")
        with path.open("rb") as file:
            data = file.read(MOST_OCTETS + 1)
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or "no such name"
        raise BadInput(f"{shown(str(path))} cannot be read: {reason}.") from err
    if len(data) > MOST_OCTETS:
        raise BadInput(f"{shown(str(path))} is longer than {MOST_OCTETS} octets.")
    return data
