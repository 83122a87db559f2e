"""Something else than an EST server answers: a log-in page of the network, a web server.

Guest networks answer in the name of every server until somebody has logged in (captive
portals, RFC 8952), in plain HTTP or over TLS with a certificate of their own. What an EST
server would have to mend is the wrong advice then.
"""

from __future__ import annotations

import re
import socket
from html import unescape

from cryptography import x509

from certctl.client.address import Address
from certctl.client.doctor.readable import names_of
from certctl.client.doctor.report import Report
from certctl.client.failures import BadAnswer, Silent, Unreachable
from certctl.client.http import Answer, exchange
from certctl.domain.plain_text import shown

REDIRECTS = (301, 302, 303, 307, 308)
LOG_IN_FIRST = 511
"""Network Authentication Required (RFC 6585 §6)."""

_HTML = ("text/html", "application/xhtml+xml")
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,400})", re.IGNORECASE)
_MOST_TITLE = 60

REMEDY = (
    "If this network wants a log-in first (captive portal), open any page in a browser on this"
    " machine and log in, or have the network let the device through. Otherwise compare host,"
    " port and path with those of the EST server; a log-in page in front of it must leave"
    " /.well-known/est out."
)


def is_strange(answer: Answer) -> bool:
    """Whether no EST server answers so: a page for people, or the way to one."""
    if answer.status in REDIRECTS:
        return "/.well-known/est" not in answer.headers.get("location", "")
    if answer.status == LOG_IN_FIRST:
        return True
    return answer.status in range(200, 300) and answer.content_type in _HTML


def found_stranger(answer: Answer, leaf: x509.Certificate | None, report: Report) -> None:
    """All that is said of it; ``leaf`` is the certificate it showed, if it can be read."""
    whose = ""
    if leaf is not None:
        names = ", ".join(map(shown, names_of(leaf))) or "no name at all"
        issuer = shown(leaf.issuer.rfc4514_string()) or "a CA without a name"
        whose = f" Its certificate is for {names}, of {issuer}."
    report.found(
        "cacerts",
        "not_est",
        f"Something else than an EST server answers: cacerts and csrattrs get {_seen(answer)}."
        f"{whose}",
        REMEDY,
    )


def found_plain_http(address: Address, seconds: float, report: Report) -> bool:
    """Whether the port speaks HTTP without TLS; asked once, without credentials."""
    try:
        answer = _asked_plainly(address, seconds)
    except (Unreachable, BadAnswer):
        return False
    report.found(
        "tls",
        "plain_http",
        f"Port {address.port} speaks plain HTTP, not TLS; it answers with {_seen(answer)}.",
        REMEDY if is_strange(answer) else "Give the port on which the server speaks TLS.",
    )
    return True


def _seen(answer: Answer) -> str:
    if answer.status in REDIRECTS:
        return f"{answer.status}, to {shown(answer.headers.get('location', '')) or 'nowhere'}"
    kind = shown(answer.content_type) or "no content type"
    found = _TITLE.search(answer.body)
    title = unescape(" ".join(found[1].decode("utf-8", "replace").split())) if found else ""
    named = f' with the title "{shown(title[:_MOST_TITLE])}"' if title else ""
    return f"{answer.status}, {kind}{named}"


def _asked_plainly(address: Address, seconds: float) -> Answer:
    """Raises: Unreachable, BadAnswer."""
    try:
        plain = socket.create_connection((address.host, address.port), timeout=seconds)
    except OSError as err:
        raise Unreachable(str(err)) from err
    with plain:
        return exchange(
            _Plain(plain),
            address,
            method="GET",
            path=f"{address.path}/.well-known/est/cacerts",
            headers={"Accept": "*/*"},
        )


class _Plain:
    """Implements ``http.Carrier`` without TLS."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain

    def sendall(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as err:
            raise Unreachable(str(err)) from err

    def receive(self) -> bytes:
        try:
            return self._socket.recv(65_536)
        except TimeoutError as err:
            raise Silent(str(err)) from err
        except OSError as err:
            raise Unreachable(str(err)) from err
