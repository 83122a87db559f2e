"""EST (RFC 7030) from the device's side: five questions, each on a connection of its own.

What a server sends is checked before it is used: the body is what the RFC says, and an
issued certificate is for the key that was asked for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

from certctl.client.address import Address
from certctl.client.failures import BadAnswer
from certctl.client.http import Answer, exchange
from certctl.client.tls import TIMEOUT_SECONDS, Identity, TlsConnection, Trust, connect

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
    certificate, as servers of this project have it.
    """

    address: Address
    profile: str
    trust: Trust
    basic: BasicAuth | None = None
    identity: Identity | None = None
    route: str | None = None
    timeout: float = TIMEOUT_SECONDS

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

    def send(self, ask: Ask, csr_of: CsrOf | None = None) -> Answer:
        """One exchange, whatever its status."""
        headers = {"Accept": "*/*"}
        if self.basic is not None:
            headers["Authorization"] = self.basic.header
        with connect(
            self.address, trust=self.trust, identity=self.identity, timeout=self.timeout
        ) as connection:
            if csr_of is None:
                return exchange(
                    connection, self.address, method="GET", path=self.path(ask), headers=headers
                )
            headers |= {
                "Content-Type": "application/pkcs10",
                "Content-Transfer-Encoding": "base64",
            }
            return exchange(
                connection,
                self.address,
                method="POST",
                path=self.path(ask),
                headers=headers,
                body=base64.encodebytes(csr_of(connection)),
            )


def octets_of(body: bytes, asked: str) -> bytes:
    """The octets of a base64 answer, whatever its folding (RFC 8951 §3).

    Raises:
        BadAnswer: not base64.
    """
    packed = body.translate(None, b" \t\r\n")
    try:
        return binascii.a2b_base64(packed, strict_mode=True)
    except ValueError as err:
        raise BadAnswer(f"The answer to {asked} is not base64: {err}.") from err


def certificates_in(body: bytes, asked: str) -> list[x509.Certificate]:
    """The certificates of a certs-only answer (RFC 7030 §4.1.3).

    Raises:
        BadAnswer: not base64, not PKCS#7, or nothing in it.
    """
    der = octets_of(body, asked)
    try:
        found = pkcs7.load_der_pkcs7_certificates(der) if der else []
    except (ValueError, UnsupportedAlgorithm) as err:
        raise BadAnswer(f"The answer to {asked} is no PKCS#7 with certificates: {err}.") from err
    if not found:
        raise BadAnswer(f"The answer to {asked} holds no certificate.")
    return found


def _ours_first(
    found: list[x509.Certificate], csr: x509.CertificateSigningRequest
) -> list[x509.Certificate]:
    key = csr.public_key()
    ours = [each for each in found if each.public_key() == key]
    if not ours:
        raise BadAnswer(
            "The certificate that came is for another key than the one in the request.",
            "Do not use it. Ask the server's operator.",
        )
    return ours[:1] + [each for each in found if each is not ours[0]]
