"""An issuer that is known and does not issue: disabled by somebody, or unusable here."""

from __future__ import annotations

from collections.abc import Callable

from certctl.domain.errors import IssuerUnavailable
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.order import Order
from certctl.domain.ports import SignedCertificate, Terms
from certctl.domain.stored_issuers import IssuerState, Trial

RETRY_SECONDS = 60


class WithheldIssuer:
    """An ``Issuer`` that refuses every order; its chain is still known to the gates."""

    def __init__(
        self,
        issuer_id: str,
        chain: tuple[bytes, ...],
        *,
        why: str,
        trial: Callable[[int], Trial] | None = None,
    ) -> None:
        """``why`` in a word or two: ``disabled``; ``trial``, given the time, is what comes of
        trying what is behind it.
        """
        self.issuer_id = issuer_id
        self._chain = chain
        self._why = why
        self._trial = trial

    def ca_chain(self) -> tuple[bytes, ...]:
        return self._chain

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:  # noqa: ARG002 - the port's
        """Never.

        Raises:
            IssuerDisabled: somebody has switched it off.
            IssuerUnavailable: in any other case.
        """
        kind = IssuerDisabled if self._why == IssuerState.DISABLED else IssuerUnavailable
        raise kind(f"issuer {self.issuer_id} ({self._why})", retry_after=RETRY_SECONDS)

    def trial(self, *, now_us: int) -> Trial:
        """See ``ports.CanTry``."""
        if self._trial is not None:
            return self._trial(now_us)
        return Trial(
            tried="nothing", chain=self._chain, problem=f"it is {self._why}", remedy="enable it"
        )
