"""The doctor's questions to an EST server, and what becomes of those nobody answers.

A server that takes connections and is silent is asked no more after the first question; one
that has answered before is forgiven one. So the whole takes a time-out or two.
"""

from __future__ import annotations

from collections.abc import Callable

from certctl.client.doctor.report import Report
from certctl.client.doctor.stranger import REDIRECTS
from certctl.client.est import Ask, EstServer
from certctl.client.failures import ClientFailure, Silent
from certctl.client.http import Answer
from certctl.client.tls import TlsConnection
from certctl.domain.plain_text import shown

# SEQUENCE { INTEGER 0 }: DER, and never a PKCS#10 request. No server can grant it.
NO_REQUEST = bytes.fromhex("3003020100")


class Questions:
    """Asks one server; what was not answered, or not asked, is in the report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._answers = 0
        self._silences = 0
        self._got: dict[Ask, Answer | None] = {}

    def get(self, server: EstServer, ask: Ask) -> Answer | None:
        """Cacerts or csrattrs, asked once; None where there is no answer."""
        if ask not in self._got:
            self._got[ask] = self._answer(lambda: server.send(ask), ask, ask.value, server.timeout)
        return self._got[ask]

    def enroll_nothing(self, server: EstServer, check: str) -> Answer | None:
        """simpleenroll, with octets that are no request."""

        def nonsense(_connection: TlsConnection) -> bytes:
            return NO_REQUEST

        return self._answer(
            lambda: server.send(Ask.ENROLL, nonsense), Ask.ENROLL, check, server.timeout
        )

    def _answer(
        self, send: Callable[[], Answer], ask: Ask, check: str, seconds: float
    ) -> Answer | None:
        if self._report.ended:
            self._report.not_tried(check)
            return None
        try:
            answer = send()
        except Silent:
            self._silent(ask, check, seconds)
            return None
        except ClientFailure as failure:
            self._report.found(
                check,
                "enroll_failed" if ask is Ask.ENROLL else f"{ask.value}_failed",
                f"{ask.value} was not answered: {failure.what}",
                failure.remedy or "Ask the server's operator.",
            )
            return None
        self._answers += 1
        return answer

    def _silent(self, ask: Ask, check: str, seconds: float) -> None:
        self._silences += 1
        if self._answers == 0:
            self._report.ended = "the server answers no request"
        elif self._silences > 1:
            self._report.ended = "the server has left two requests without an answer"
        self._report.found(
            check,
            "silent",
            f"The server speaks TLS, and has not answered {ask.value} within {seconds:g} seconds.",
            "See on the server whether it hangs (its log, its load, its database). Behind a proxy,"
            " see whether that reaches the server.",
        )


def is_redirected(answer: Answer, check: str, report: Report) -> bool:
    """Whether it sends the device elsewhere, which is told."""
    if answer.status not in REDIRECTS:
        return False
    place = shown(answer.headers.get("location", "")) or "nowhere"
    report.found(
        check,
        "redirected",
        f"{check} is answered with {answer.status}, to {place}.",
        "Answer EST paths themselves: most devices follow no redirect, and none to another host"
        " without asking (RFC 7030 §3.2.1). A log-in page in front of them must leave them out.",
    )
    return True


def first_line(answer: Answer) -> str:
    """The first line of what a server says of a refusal."""
    return answer.words.lines[0] if answer.words.lines else ""
