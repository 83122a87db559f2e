"""The page of refusals is the code's own, whole, and each text is fit to be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain import errors
from certctl.domain.errors import (
    AuthenticationFailure,
    CommandRefused,
    Conflict,
    CredentialMissing,
    CrlRefused,
    Failure,
    KeyReused,
    LeaseLost,
    NotFound,
    OcspRefused,
    TrustRefused,
    Unavailable,
)
from certctl.domain.profiles import EstProfile
from certctl.web.answers import Answer
from certctl.web.problems import answer_of, problem_of
from certctl.web.refusal_samples import samples
from certctl.wiring.refusal_page import page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "refusals.md"
PROFILE = EstProfile(path_id="corp", issuer_id="iss-local")
# What only operators and jobs meet, or is answered in OCSP's own form; and what only stands
# above others.
NOT_FOR_DEVICES = {
    CommandRefused,
    Conflict,
    CrlRefused,
    KeyReused,
    LeaseLost,
    NotFound,
    OcspRefused,
    TrustRefused,
}
LEAF = "certctl.domain.issuer_disabled"
BASES = {Failure, AuthenticationFailure, Unavailable}


def kinds(of: type[Failure] = Failure) -> Iterator[type[Failure]]:
    yield of
    for each in of.__subclasses__():
        yield from kinds(each)


def test_the_page_in_docs_is_the_generated_one():
    assert PAGE.read_text() == page(), f"run: python -m certctl.wiring.refusal_page > {PAGE.name}"


def test_no_failure_is_left_out():
    ours = {each for each in kinds() if each.__module__ in (errors.__name__, LEAF)}
    assert len(ours) > 25
    shown = {type(each) for each in samples()}
    assert ours - shown - NOT_FOR_DEVICES - BASES == set()


def test_every_reason_that_the_code_gives_has_words():
    """A new reason without a text would be a KeyError before a device."""
    kinds_with_words = "NotAllowed|CertificateRefused|BindingFailure|refused|RequestMalformed"
    pattern = re.compile(rf'({kinds_with_words}|PolicyViolation)\(\s*"(\w+)"')
    known = {each.reason for each in samples()}
    given = {
        match.group(2)
        for file in (ROOT / "src").rglob("*.py")
        if file.parent.name in ("enroll", "trust", "authority", "wire", "domain")
        for match in pattern.finditer(file.read_text())
    }
    assert len(given) > 20
    assert given - known == set()


def test_each_refusal_has_a_remedy_of_its_own():
    """Except that none and a wrong credential must read alike (est §7)."""
    remedies = Counter(problem_of(each, PROFILE).mend for each in samples())
    remedies.subtract([problem_of(CredentialMissing(), PROFILE).mend])
    assert [remedy for remedy, times in remedies.items() if times > 1] == []


@pytest.mark.parametrize("failure", list(samples()), ids=lambda each: f"{each.reason}")
def test_each_says_what_came_which_rule_and_how_to_mend_it(failure: Failure):
    problem = problem_of(failure, PROFILE)
    answer: Answer = answer_of(problem, request_id="0123456789abcdef", wants_json=False)
    lines = answer.body.decode().splitlines()
    assert len(lines) == 4
    assert lines[3] == "request-id: 0123456789abcdef"
    for line in lines[:3]:
        assert line[0].isupper()
        assert line.endswith(".")
        assert len(line) < 260
    assert "  " not in answer.body.decode()
