"""What a failure says to an operator: in the log, at a terminal, on the page of jobs.

Clauses without a capital or a full stop, so that each place sets them into its own line.
What a device or a client of the management API is told stands elsewhere: it says less of
the inside, and has a status (``web.problems``, ``web.api.problems``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from certctl.domain.errors import (
    CommandRefused,
    Conflict,
    CrlRefused,
    Denied,
    DeviceStateFailed,
    Failure,
    InternalError,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
    KeyReused,
    LeaseLost,
    NotAllowed,
    NotFound,
    PolicyViolation,
    RequestMalformed,
    StoreUnavailable,
    TrustRefused,
    Unavailable,
)
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.plain_text import escaped

_LEASE_REMEDY: Final = (
    "it goes on there; if this comes often, see whether this process is held up, or the clocks"
    " of the nodes differ"
)

_MOST: Final = 1_000
"""Characters of the text of an error that is not of this tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureWords:
    """``problem``: what was refused or went wrong; ``remedy``: how to mend it, if known."""

    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


def words_of(fault: BaseException) -> FailureWords:
    """Of a failure of ours by its data, of any other error by its own text."""
    problem, remedy = _of_failure(fault) if isinstance(fault, Failure) else (_of_other(fault), "")
    return FailureWords(problem=_printable(problem), remedy=_printable(remedy))


def _printable(text: str) -> str:
    """What came from outside cannot talk a terminal into anything; lines stay lines."""
    return "\n".join(map(escaped, text.split("\n")))


def _of_failure(failure: Failure) -> tuple[str, str]:
    match failure:
        case CrlRefused():
            what = _CRL.get(failure.reason, failure.reason)
            compared = _compared(failure.wanted, failure.got)
            return (
                f"the CRL was not signed: {what}{compared and f' ({compared})'}",
                _CRL_REMEDY.get(failure.reason, _UNKNOWN_REMEDY),
            )
        case NotFound():
            return f"there is no {failure.what}", ""
        case Conflict():
            return failure.what, ""
        case LeaseLost():
            return f"another process has taken the job {failure.job} over", _LEASE_REMEDY
        case CommandRefused():
            wanted = f": wanted {failure.wanted}" if failure.wanted else ""
            return f"the API key does not open this ({failure.reason}){wanted}", ""
        case KeyReused():
            return "this Idempotency-Key came with another request before", "use a new key"
        case TrustRefused():
            return failure.problem, failure.remedy
        case IssuerRefused():
            return f"the CA outside refused: {failure.note or 'it gave no reason'}", ""
        case IssuerMisbehaved():
            return f"the CA outside gave something else than was ordered: {failure.note}", ""
        case Unavailable():
            return _of_unavailable(failure)
        case InternalError():
            return "the authority failed on this", "its log has the trace (authority_fault)"
        case _:
            return _of_request(failure)


def _of_unavailable(failure: Unavailable) -> tuple[str, str]:
    match failure:
        case IssuerDisabled():
            return f"{failure.what} issues nothing", "enable it, or name another issuer"
        case IssuerSilent():
            return (
                f"the CA outside had the order and gave no clear answer: {failure.what}",
                "it may have issued: certctl-server intents list shows what is open",
            )
        case IssuerUnavailable():
            return f"this cannot sign now: {failure.what}", ""
        case StoreUnavailable(what="authority"):
            return (
                "the authority process does not answer",
                "see what the log of certctl-server says of its authority; if none runs, start it",
            )
        case StoreUnavailable(what="store"):
            return (
                "the database cannot be used now",
                "the log of the server says why (store_away); see its disk, or PostgreSQL",
            )
        case _:
            return f"this is not available now: {failure.what}", ""


def _of_request(failure: Failure) -> tuple[str, str]:
    """What a request was refused for."""
    match failure:
        case Denied() | DeviceStateFailed():
            return f"not allowed ({failure.reason}){failure.note and f': {failure.note}'}", ""
        case PolicyViolation() | NotAllowed():
            compared = _compared(failure.wanted, failure.got)
            return f"not allowed ({failure.reason}){compared and f': {compared}'}", ""
        case RequestMalformed():
            note = f": {failure.note}" if failure.note else ""
            return f"the request cannot be read ({failure.reason}){note}", ""
        case _:
            told = [f"{name} {value}" for name, value in failure.details().items() if value]
            return ", ".join(told) or type(failure).__name__, ""


def _compared(wanted: str, got: str) -> str:
    parts = (("wanted", wanted), ("got", got))
    return ", ".join(f"{name} {value}" for name, value in parts if value)


def _of_other(fault: BaseException) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    if type(fault).__module__.partition(".")[0] == __name__.partition(".")[0] and str(fault):
        # An error of ours says what it has to say.
        return str(fault)[:_MOST]
    text = str(fault)[:_MOST]
    return f"{text} ({type(fault).__name__})" if text else type(fault).__name__


_CRL: Final[Mapping[str, str]] = {
    "malformed": "it is not whole, or not made as it has to be",
    "algorithm": "its signature algorithm is not that of the CA's key",
    "issuer": "it is of another issuer",
    "key_identifier": "it names another key of the CA",
    "number": "its number does not come after the newest one",
    "dates": "its dates do not fit the clock",
    "usage": "the CA certificate must not sign CRLs",
    "size": "it is too large",
    "partition": "it is of a partition that is not published here",
    "distribution_point": "it names another URL than the certificates of its partition",
}

_NEXT_RUN: Final = "the next run makes it anew"
_RESTART: Final = "restart the server if its CA's key or certificate was exchanged"
_UNKNOWN_REMEDY: Final = f"{_NEXT_RUN}; if it fails again, report it with this line"

_CRL_REMEDY: Final[Mapping[str, str]] = {
    "algorithm": _RESTART,
    "issuer": _RESTART,
    "key_identifier": _RESTART,
    "number": f"{_NEXT_RUN}, with the number after the newest; if it fails again, see whether the"
    " database was replaced while the server ran, and restart the server",
    "dates": f"{_NEXT_RUN}; see whether the clock of this machine was set, and have it kept by"
    " NTP; a CRL must be made within an hour",
    "usage": "have its parent issue the CA certificate with cRLSign",
    "size": "revoked certificates stay on it until they expire: use shorter lifetimes, or"
    " partitions (CERTCTL_CRL_PARTITIONS)",
}
