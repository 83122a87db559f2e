"""An explanation in words: one form for the command, the REST answer and the page.

A rule that fails says what the device would be told (``web.problems``), so that what is
foretold and what is answered are the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from certctl.domain.clock import SECOND_US
from certctl.domain.explanation import Explanation, WouldBe
from certctl.domain.profiles import EstProfile
from certctl.domain.rules import Finding, Rule
from certctl.web.problems import problem_of

# What each rule wants, as one sentence without a full stop.
WANTED: Mapping[Rule, str] = {
    Rule.AUTHENTICATION: "a credential that opens this profile, from a source not locked out",
    Rule.BODY: "one well-formed PKCS#10 request in base64, PEM or DER",
    Rule.SIGNATURE: "a CSR signed by the key it holds, with SHA-256 or better",
    Rule.CHANNEL_BINDING: "a channel binding where one is required, and of this connection",
    Rule.CERTIFICATE_PROFILE: "a certificate profile that is there and enabled",
    Rule.IDENTITY: "a CSR for the device that the client certificate names (IDENTITY_BINDING)",
    Rule.RENEWAL: "a renewal of something valid, with its names and by the rule for its key",
    Rule.NEW_NAMES: "other names at a renewal only where the certificate profile allows them",
    Rule.READABLE_NAMES: "subject and subjectAltName in DER",
    Rule.EXTENSIONS: "no power of a CA, no unknown critical extension, only allowed usages",
    Rule.ATTRIBUTES: "every attribute that the certificate profile requires",
    Rule.KEY: "a key of an allowed algorithm and size",
    Rule.SUBJECT: "a subject or a subjectAltName, of plain characters",
    Rule.SAN: "alternative names of allowed kinds, well formed, and not too many",
    Rule.SAN_PATTERNS: "alternative names that match the patterns of the certificate profile",
    Rule.SUBJECT_PATTERNS: "a subject that matches the patterns of the certificate profile",
    Rule.SUBJECT_BASES: "a subject under a base that is permitted",
    Rule.NAME_CONSTRAINTS: "names within the name constraints",
    Rule.KNOWN_WEAK_KEY: "a key that nobody can compute",
    Rule.DEVICE_STATE: "a yes of the device-state hook",
    Rule.CREDENTIAL_STILL_GOOD: "a client certificate that the records still call valid",
    Rule.REPETITION: "nothing: the same request again gets the same certificate",
    Rule.KEY_ON_RECORD: "a key that is no CA's, not compromised, and of no other identity",
    Rule.RENEWED_STILL_GOOD: "a renewed certificate that the records still call valid",
    Rule.LIMIT: "room under the limit per principal",
    Rule.APPROVAL: "the approval of operators where the certificate profile asks for it",
    Rule.ISSUER: "an issuer that can sign now",
    Rule.LINT: "a certificate without errors by RFC 5280 where lint is block",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """One rule, for people and programs; ``status`` is HTTP's, 0 where nothing refuses."""

    rule: str
    verdict: str
    wanted: str
    came: str = ""
    remedy: str = ""
    reason: str = ""
    note: str = ""
    status: int = 0


def rule_text(finding: Finding, profile: EstProfile) -> RuleText:
    failure = finding.failure
    if failure is None:
        return RuleText(
            rule=finding.rule.value,
            verdict=finding.verdict.value,
            wanted=WANTED[finding.rule],
            note=finding.note,
        )
    problem = problem_of(failure, profile)
    return RuleText(
        rule=finding.rule.value,
        verdict=finding.verdict.value,
        wanted=problem.rule,
        came=problem.what,
        remedy=problem.mend,
        reason=failure.reason,
        status=problem.status,
    )


def as_json(explanation: Explanation, profile: EstProfile) -> dict[str, object]:
    """JSON values: what came of it, the rules in their order, the certificate."""
    refusal = explanation.refusal
    would_be = explanation.would_be
    return {
        "profile": explanation.profile,
        "operation": explanation.operation.value,
        "outcome": outcome(explanation),
        "refused_by": refusal.rule.value if refusal is not None else None,
        "rules": [asdict(rule_text(each, profile)) for each in explanation.findings],
        "certificate": _certificate(would_be) if would_be is not None else None,
    }


def outcome(explanation: Explanation) -> str:
    """``issued``, ``waits`` for operators, or ``refused``."""
    if explanation.refusal is None:
        return "issued"
    return "waits" if explanation.waits else "refused"


def _certificate(would_be: WouldBe) -> dict[str, object]:
    times = {
        "not_before": _moment(would_be.not_before_us),
        "not_after": _moment(would_be.not_after_us),
    }
    told = asdict(would_be)
    del told["not_before_us"], told["not_after_us"]
    return told | times


def _moment(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%dT%H:%M:%SZ}"
