"""What would become of a request, told without issuing anything (operator §1, explain)."""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.errors import Pending
from certctl.domain.profiles import Operation
from certctl.domain.rules import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request, with what its body cannot show.

    Attributes:
        body: the CSR in any form that EST reads.
        user: name for HTTP Basic; the password is taken as right. None: no Basic.
        chain: the client certificate and what was shown with it (DER), or empty.
        source: the client's address; empty leaves what counts by it unjudged.
        tls_version: ``TLSv1.3`` or ``TLSv1.2``.
    """

    path_id: str
    operation: Operation
    body: bytes
    user: str | None = None
    chain: tuple[bytes, ...] = ()
    source: str = ""
    tls_version: str = "TLSv1.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldBe:
    """The certificate that a request would get now; times in microseconds since the epoch.

    Attributes:
        ekus: dotted OIDs.
        shorter_percent: notAfter may come earlier by so much of the lifetime (jitter).
        renews: id of the certificate that is renewed, or None.
        repeated: it was issued before; this very request gets it again.
    """

    subject: str
    sans: tuple[str, ...]
    ekus: tuple[str, ...]
    key: str
    not_before_us: int
    not_after_us: int
    profile: str
    certificate_profile: str
    issuer_id: str
    shorter_percent: int = 0
    renews: str | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every rule in the order of est §2, and what would come of it all.

    ``would_be`` is None where a rule refuses.
    """

    profile: str
    operation: Operation
    findings: tuple[Finding, ...]
    would_be: WouldBe | None

    @property
    def refusal(self) -> Finding | None:
        """The rule that would answer the device: the first that does not hold."""
        return next((each for each in self.findings if each.verdict is Verdict.FAILED), None)

    @property
    def waits(self) -> bool:
        """Nothing refuses, but operators have to approve first."""
        return self.refusal is not None and isinstance(self.refusal.failure, Pending)
