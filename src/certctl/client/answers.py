"""Bodies of EST answers as a client reads them (RFC 7030 §4, RFC 8951)."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from certctl.client.failures import BadAnswer
from certctl.client.http import Answer
from certctl.wire.unreadable import UNREADABLE, quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMade:
    """What ``serverkeygen`` gives: ``key`` is DER, CMS EnvelopedData where ``enveloped``,
    otherwise PKCS#8 in plain.
    """

    certificates: list[x509.Certificate]
    key: bytes
    enveloped: bool


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
        with quiet():
            found = pkcs7.load_der_pkcs7_certificates(der) if der else []
    except UNREADABLE as err:
        raise BadAnswer(f"The answer to {asked} is no PKCS#7 with certificates: {err}.") from err
    if not found:
        raise BadAnswer(f"The answer to {asked} holds no certificate.")
    return found


def server_made(answer: Answer) -> ServerMade:
    """Two parts, key and certificate, in either order (RFC 7030 §4.4.2).

    Raises:
        BadAnswer: other parts than these, or such as are no MIME.
    """
    # The body is MIME without its head, which HTTP carries.
    head = f"Content-Type: {answer.headers.get('content-type', '')}\r\n\r\n"
    whole = BytesParser(policy=policy.compat32).parsebytes(head.encode("latin-1") + answer.body)
    certificates: list[x509.Certificate] = []
    key, enveloped = b"", False
    for kind, body in _parts(whole):
        if kind == "application/pkcs8":
            key, enveloped = octets_of(body, "serverkeygen"), False
        elif kind == "application/pkcs7-mime":
            if not certificates and _is_certificates(body):
                certificates = certificates_in(body, "serverkeygen")
            else:
                key, enveloped = octets_of(body, "serverkeygen"), True
    if not key or not certificates:
        raise BadAnswer("The answer to serverkeygen is not a key and a certificate.")
    return ServerMade(certificates=certificates, key=key, enveloped=enveloped)


def _parts(whole: Message) -> Iterator[tuple[str, bytes]]:
    if not whole.is_multipart():
        return
    for part in whole.walk():
        if not part.is_multipart():
            try:
                text = part.get_payload()
            except ValueError as err:
                # A character set whose name no codec can have.
                raise BadAnswer(f"The answer to serverkeygen is no MIME: {err}.") from err
            yield part.get_content_type(), str(text).encode("latin-1", "replace")


def _is_certificates(body: bytes) -> bool:
    try:
        certificates_in(body, "serverkeygen")
    except BadAnswer:
        return False
    return True
