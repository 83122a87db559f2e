"""What the trace of an EST request is told: names of ours and numbers, nothing of a client."""

from __future__ import annotations

from cryptography import x509

from certctl.domain.asgi import Scope
from certctl.domain.profiles import profile_name
from certctl.obs.tracing.current import CURRENT
from certctl.web.routes import Endpoint, route_of
from certctl.web.watched import ROUTE


def begins(endpoint: Endpoint, request_id: str, scope: Scope) -> None:
    """A request for what is there."""
    trace = CURRENT.get()
    if trace is not None:
        scope["state"][ROUTE] = route_of(endpoint, scope["raw_path"])
        trace.tell(
            {
                "certctl.profile": profile_name(endpoint.profile.path_id),
                "certctl.operation": endpoint.operation.value,
                "certctl.request_id": request_id,
            }
        )


def issued(der: bytes) -> None:
    """The certificate that is the answer."""
    trace = CURRENT.get()
    if trace is not None:
        serial = x509.load_der_x509_certificate(der).serial_number
        trace.tell({"certctl.serial": f"{serial:x}"})


def answered(outcome: str, reason: str, *, by_device_state: bool) -> None:
    """Outcome and reason as in metrics; ``by_device_state``: the profile has that gate."""
    trace = CURRENT.get()
    if trace is not None:
        trace.tell({"certctl.outcome": outcome})
        if outcome != "ok":
            trace.tell({"certctl.reason": reason})
            trace.refused(outcome, reason, by_device_state=by_device_state)
