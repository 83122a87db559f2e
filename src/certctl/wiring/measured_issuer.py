"""A CA whose key is here, with its signatures counted."""

from __future__ import annotations

from time import time_ns

from certctl.domain.errors import IssuerUnavailable
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.order import Order
from certctl.domain.ports import Issuer, SignedCertificate, Terms
from certctl.obs.metrics.measured import AuthorityMetrics
from certctl.obs.tracing.steps import TurnSteps


class MeasuredIssuer:
    """Implements ``ports.Issuer`` over another one."""

    def __init__(
        self,
        issuer_id: str,
        issuer: Issuer,
        metrics: AuthorityMetrics,
        steps: TurnSteps | None = None,
    ) -> None:
        self._steps = steps
        self._id = issuer_id
        self._issuer = issuer
        self._metrics = metrics

    def ca_chain(self) -> tuple[bytes, ...]:
        return self._issuer.ca_chain()

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:
        began_ns = time_ns() if self._steps is not None else 0
        try:
            signed = self._issuer.sign(order, terms, now_us=now_us)
        except IssuerDisabled:
            # Somebody has decided so: no outage, and nobody is to be woken.
            self._metrics.called(self._id, "issue", "disabled")
            raise
        except IssuerUnavailable:
            self._metrics.called(self._id, "issue", "unavailable")
            raise
        self._metrics.called(self._id, "issue", "ok")
        if self._steps is not None:
            self._steps.signed(order.request_id, self._id, began_ns)
        return signed
