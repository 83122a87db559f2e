"""EST (RFC 7030) from the device's side: its questions, each on a connection of its own.

What a server sends is checked before it is used: the body is what the RFC says, and an
issued certificate is for the key that was asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

from certctl.client.address import Address
from certctl.client.answers import ServerMade, certificates_in, octets_of, server_made
from certctl.client.failures import BadAnswer, Refused
from certctl.client.http import Answer, exchange
from certctl.client.tls import TIMEOUT_SECONDS, Identity, TlsConnection, Trust, connect
from certctl.wire.unreadable import is_for

CsrOf = Callable[[TlsConnection], bytes]
"""A PKCS#10 request (DER), made when the connection is there to bind it to."""


class Ask(StrEnum):
    """What is asked for: the last part of the path."""

    CACERTS = "cacerts"
    CSRATTRS = "csrattrs"
    ENROLL = "simpleenroll"
    REENROLL = "simplereenroll"
    SERVERKEYGEN = "serverkeygen"
    FULLCMC = "fullcmc"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """Name and password (RFC 7617), sent with the first request."""

    user: str
    password: str

    @property
    def header(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstServer:
    """One EST profile of one server, and who we are for it.

    ``route`` is ``est`` or ``est-mtls``; None takes the second one where there is a client
    certificate, as servers of this project have it. ``accept`` is the header of that name.
    """

    address: Address
    profile: str
    trust: Trust
    basic: BasicAuth | None = None
    identity: Identity | None = None
    route: str | None = None
    timeout: float = TIMEOUT_SECONDS
    accept: str = "*/*"

    def path(self, ask: Ask) -> str:
        route = self.route or ("est-mtls" if self.identity is not None else "est")
        label = f"/{self.profile}" if self.profile else ""
        return f"{self.address.path}/.well-known/{route}{label}/{ask.value}"

    def cacerts(self) -> list[x509.Certificate]:
        """The CA's certificates (RFC 7030 §4.1)."""
        answer = self.send(Ask.CACERTS)
        if answer.status != 200:
            raise answer.refused(Ask.CACERTS)
        return certificates_in(answer.body, Ask.CACERTS)

    def csrattrs(self) -> bytes:
        """CsrAttrs (DER); empty where the server wants nothing (RFC 7030 §4.5.2)."""
        answer = self.send(Ask.CSRATTRS)
        if answer.status == 204:
            return b""
        if answer.status != 200:
            raise answer.refused(Ask.CSRATTRS)
        return octets_of(answer.body, Ask.CSRATTRS)

    def enroll(self, csr_of: CsrOf, *, renew: bool = False) -> list[x509.Certificate]:
        """The new certificate, then whatever the server sent beside it.

        Raises:
            StillPending: an operator decides first; ask again with the same request.
            ClientFailure: everything else.
        """
        ask = Ask.REENROLL if renew else Ask.ENROLL
        sent: list[bytes] = []

        def remembered(connection: TlsConnection) -> bytes:
            sent.append(csr_of(connection))
            return sent[-1]

        answer = self.send(ask, remembered)
        if answer.status != 200:
            raise answer.refused(ask)
        found = certificates_in(answer.body, ask)
        return _ours_first(found, x509.load_der_x509_csr(sent[-1]))

    def serverkeygen(self, csr_of: CsrOf) -> ServerMade:
        """A key made by the server, with its certificate (RFC 7030 §4.4)."""
        answer = self.send(Ask.SERVERKEYGEN, csr_of)
        if answer.status != 200:
            raise _not_offered(answer, Ask.SERVERKEYGEN)
        return server_made(answer)

    def fullcmc(self, message: bytes) -> list[x509.Certificate]:
        """The certificates in the answer to a Full PKI Request (DER; RFC 7030 §4.3)."""
        kind = "application/pkcs7-mime; smime-type=CMC-request"
        answer = self.send(Ask.FULLCMC, lambda _connection: message, kind=kind)
        if answer.status != 200:
            raise _not_offered(answer, Ask.FULLCMC)
        return certificates_in(answer.body, Ask.FULLCMC)

    def send(
        self, ask: Ask, body_of: CsrOf | None = None, *, kind: str = "application/pkcs10"
    ) -> Answer:
        """One exchange, whatever its status; ``kind`` is the media type of the body."""
        headers = {"Accept": self.accept}
        if self.basic is not None:
            headers["Authorization"] = self.basic.header
        with connect(
            self.address, trust=self.trust, identity=self.identity, timeout=self.timeout
        ) as connection:
            if body_of is None:
                return exchange(
                    connection, self.address, method="GET", path=self.path(ask), headers=headers
                )
            headers |= {
                "Content-Type": kind,
                "Content-Transfer-Encoding": "base64",
            }
            return exchange(
                connection,
                self.address,
                method="POST",
                path=self.path(ask),
                headers=headers,
                body=base64.encodebytes(body_of(connection)),
            )


def _not_offered(answer: Answer, ask: Ask) -> Refused:
    refused = answer.refused(ask)
    if answer.status in (404, 501):
        refused.what = f"The server does not offer {ask} on this profile ({answer.status})."
    return refused


def _ours_first(
    found: list[x509.Certificate], csr: x509.CertificateSigningRequest
) -> list[x509.Certificate]:
    key = csr.public_key()
    ours = [each for each in found if is_for(each, key)]
    if not ours:
        raise BadAnswer(
            "The certificate that came is for another key than the one in the request.",
            "Do not use it. Ask the server's operator.",
        )
    return ours[:1] + [each for each in found if each is not ours[0]]
