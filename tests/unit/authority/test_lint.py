"""Lint of certificates by the real linter: noted, or in the way, or not asked."""

from __future__ import annotations

from certctl.authority.issue import IssuingRules
from certctl.domain.errors import IssuerUnavailable, PolicyViolation
from certctl.domain.order import Issued
from certctl.domain.policy import CertificateProfile, LintMode
from certctl.issuers.lint import lint_certificate
from tests.unit.authority.conftest import Workshop
from tests.unit.wire import forge

# RFC 5280 appendix A: at most 64 characters (ub-common-name).
TOO_LONG = forge.name((forge.CN, "x" * 65))
CODE = "itu.invalid_asn1_syntax"


def run(workshop: Workshop, mode: LintMode, *, subject: bytes | None = None) -> object:
    profiles = {"cp": CertificateProfile(id="cp", lint=mode)}
    rules = IssuingRules({"iss-local": workshop.ca}, profiles, lint=lint_certificate)
    order = workshop.order(certificate_profile="cp")
    if subject is not None:
        order = workshop.order(certificate_profile="cp", subject_der=subject)
    return workshop.serve_again(rules).run([order])[0]


def test_what_breaks_rfc_5280_is_blocked_and_nothing_of_it_is_kept(workshop: Workshop) -> None:
    refused = run(workshop, LintMode.BLOCK, subject=TOO_LONG)
    assert isinstance(refused, PolicyViolation)
    assert (refused.dimension, refused.got) == ("lint", CODE)
    assert not workshop.records().certificates()
    assert not workshop.records().events()


def test_or_noted_in_the_audit_event(workshop: Workshop) -> None:
    assert isinstance(run(workshop, LintMode.WARN, subject=TOO_LONG), Issued)
    (recorded,) = workshop.records().events()
    assert recorded.event.details["lint"] == [CODE]


def test_or_not_looked_for(workshop: Workshop) -> None:
    assert isinstance(run(workshop, LintMode.OFF, subject=TOO_LONG), Issued)
    (recorded,) = workshop.records().events()
    assert "lint" not in recorded.event.details


def test_what_we_issue_to_usual_devices_is_clean(workshop: Workshop) -> None:
    assert isinstance(run(workshop, LintMode.BLOCK), Issued)
    (recorded,) = workshop.records().events()
    assert recorded.event.details["lint"] == []


def test_without_a_linter_a_profile_that_wants_it_issues_nothing(workshop: Workshop) -> None:
    profiles = {"cp": CertificateProfile(id="cp", lint=LintMode.WARN)}
    rules = IssuingRules({"iss-local": workshop.ca}, profiles)
    (outcome,) = workshop.serve_again(rules).run([workshop.order(certificate_profile="cp")])
    assert isinstance(outcome, IssuerUnavailable)
    assert not workshop.records().certificates()


def test_what_is_no_certificate_is_an_error() -> None:
    (finding,) = lint_certificate(b"\x30\x03\x02\x01\x00")
    assert finding.error
