"""What an answer to an EST request is called in metrics: outcome and reason, a closed set."""

from __future__ import annotations

from typing import Final

from certctl.domain.errors import (
    BindingFailure,
    CertificateRefused,
    CredentialMissing,
    Failure,
    InProgress,
    Pending,
    PolicyViolation,
    RequestMalformed,
    SignatureWrong,
)
from certctl.obs.metrics.numbers import OTHER
from certctl.web.refusal_samples import samples

Labels = tuple[str, str]

OK: Final[Labels] = ("ok", "")


def answer_labels(failure: Failure) -> Labels:
    """The answer to a request that met this failure.

    The reason is that of the page of refusals, with a word before it where one reason of
    two kinds has the same name; of a malformed request it does not say how it was.
    """
    match failure:
        case CredentialMissing():
            return "challenged", failure.reason
        case Pending() | InProgress():
            return "waiting", failure.reason
        case CertificateRefused():
            reason = f"certificate_{failure.reason}"
        case BindingFailure():
            reason = f"binding_{failure.reason}"
        case PolicyViolation():
            reason = f"policy_{failure.dimension}"
        case SignatureWrong():
            reason = "csr_signature"
        case RequestMalformed():
            reason = "csr_invalid"
        case _:
            reason = failure.reason
    return "refused", reason


def every_answer() -> list[Labels]:
    """All there can be; what is not foreseen has the last one."""
    found = dict.fromkeys((OK, *map(answer_labels, samples())))
    return [*found, ("refused", OTHER)]
