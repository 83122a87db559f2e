"""Settings of traces. Where they go is said by OpenTelemetry's own variables."""

from __future__ import annotations

from typing import Any, Final

from certctl.domain.traces import Believed
from certctl.settings.kinds import BOOLEAN, choice
from certctl.settings.variable import Variable

TRACES_ENABLED: Final = Variable(
    name="TRACES_ENABLED",
    kind=BOOLEAN,
    default=False,
    meaning="Send OpenTelemetry traces to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; needs the"
    " extra `otel`.",
)
TRACES_PARENT: Final = Variable(
    name="TRACES_PARENT",
    kind=choice(*Believed),
    default=Believed.PROXIES,
    meaning="Whose header `traceparent` is believed: that of `TRUSTED_PROXIES`, of everybody or"
    " of nobody.",
)

TRACING_VARIABLES: Final[tuple[Variable[Any], ...]] = (TRACES_ENABLED, TRACES_PARENT)
