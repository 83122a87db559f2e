"""Asks what would become of a request, then holds what was told against the answer."""

from __future__ import annotations

import re
import time

from cryptography import x509

from certctl.domain.explanation import Explanation, Question, WouldBe
from certctl.domain.profiles import EstProfile, Operation
from certctl.obs.log import Level, make_log
from certctl.settings.env import load_settings
from certctl.store import open_records
from certctl.web.problems import problem_of
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wiring.clock import system_clock
from certctl.wiring.explain import explain
from tests.harness.device import certificates_of
from tests.harness.raw import Answer
from tests.harness.server import RunningServer

_LOG = make_log("test", level=Level.ERROR, text=True, clock=system_clock)
_NUMBER = re.compile(r"\d+")
_MOST_SECONDS = 30.0


class Oracle:
    """Explains requests to one running server, beside it."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def foretell(self, question: Question) -> Foretold:
        settings = load_settings(self._server.environment, None, check_files=False)
        (profile,) = (
            each.profile
            for each in settings.est.profiles
            if each.profile.path_id == question.path_id
        )
        records = open_records(f"sqlite:///{self._server.database}")
        try:
            told = explain(settings, question, records, running=True, log=_LOG, clock=system_clock)
        finally:
            records.close()
        return Foretold(told, profile)


class Foretold:
    """An explanation, to be held against what the server answers."""

    def __init__(self, told: Explanation, profile: EstProfile) -> None:
        self.told = told
        self._profile = profile
        self._at = time.monotonic()

    def must_be(self, answer: Answer) -> None:
        """The first rule that fails is the refusal; passed means issued just as foretold."""
        refusal = self.told.refusal
        if answer.status == 200:
            assert refusal is None, (refusal, answer.text)
            would_be = self.told.would_be
            assert would_be is not None
            self._is(would_be, certificates_of(answer.body)[0])
            return
        assert refusal is not None, answer.text
        assert refusal.failure is not None
        problem = problem_of(refusal.failure, self._profile)
        if self.told.waits:
            assert (answer.status, problem.status) == (202, 202)
            return
        words = answer.text.splitlines()[:3]
        foretold = [problem.what, problem.rule, problem.mend]
        # Seconds to wait have gone on meanwhile.
        assert [_NUMBER.sub("N", each) for each in words] == [
            _NUMBER.sub("N", each) for each in foretold
        ]
        assert answer.status == problem.status

    def _is(self, would_be: WouldBe, issued: x509.Certificate) -> None:
        assert decode_name(issued.subject.public_bytes()).text() == would_be.subject
        assert _sans(issued) == would_be.sans
        assert _ekus(issued) == would_be.ekus
        before = int(issued.not_valid_before_utc.timestamp()) - would_be.not_before_us // 1_000_000
        after = int(issued.not_valid_after_utc.timestamp()) - would_be.not_after_us // 1_000_000
        assert before == after
        assert 0 <= before <= time.monotonic() - self._at + 1 <= _MOST_SECONDS


def _sans(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(map(str, decode_general_names(found.value.public_bytes())))


def _ekus(certificate: x509.Certificate) -> tuple[str, ...]:
    found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    return tuple(each.dotted_string for each in found.value)


def question(
    profile: str,
    body: bytes,
    *,
    operation: str = "simpleenroll",
    user: str | None = None,
    chain: tuple[bytes, ...] = (),
    source: str = "",
) -> Question:
    return Question(
        path_id=profile,
        operation=Operation(operation),
        body=body,
        user=user,
        chain=chain,
        source=source,
    )
