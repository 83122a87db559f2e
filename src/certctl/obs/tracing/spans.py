"""Spans of one process, made with OpenTelemetry's SDK.

What goes into them: names and numbers of ours, from settings and closed sets, ids and
serial numbers. Never a header, a body, a name out of a CSR, a password or an address: a
collector is another system, read by other people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from certctl.domain.traces import Believed
from certctl.obs.tracing.current import CURRENT
from certctl.obs.tracing.steps import COMMAND, TURN, Step
from certctl.wire.traceparent import TraceParent, decode_traceparent, encode_traceparent

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "_OTHER"
"""As OpenTelemetry's conventions for HTTP call a method that they do not know."""

GATES: Final = ("authenticate", "read", "authorize", "device_state", "issue")
"""In this order; only ``device_state`` may be left out."""

MOST_STEPS: Final = 8

Attributes = Mapping[str, str | int]


class Trace:
    """One request that is being served, or one delivery. Use from one task at a time.

    Attributes:
        fields: what a log line says of it; nothing once it has ended.
    """

    __slots__ = (
        "_began",
        "_context",
        "_ordered",
        "_passed",
        "_span",
        "_stopped",
        "_tracer",
        "fields",
    )

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span, Context())
        self._began = 0
        self._stopped = 0
        self._passed = 0
        self._ordered = False
        own = span.get_span_context()
        self.fields: Mapping[str, str] = {
            "trace_id": f"{own.trace_id:032x}",
            "span_id": f"{own.span_id:016x}",
        }

    def tell(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def name(self, method: str, route: str) -> None:
        """``route`` is a template of ours, never a path as it came."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attribute("http.route", route)

    def begin_gates(self) -> None:
        self._began = time_ns()
        self._passed = 0

    def passed(self, gate: str) -> None:
        """A gate of an enrollment let the request through, just now."""
        now = time_ns()
        self._gate(gate, now, {"certctl.outcome": "passed"})
        self._began = now
        self._passed = GATES.index(gate) + 1

    def ordered(self) -> None:
        """The authority has the order: what fails from now on fails at ``issue``."""
        self._ordered = True

    def stopped(self) -> None:
        """The gate that was being passed has refused, just now."""
        if not self._stopped:
            self._stopped = time_ns()

    def refused(self, outcome: str, reason: str, *, by_device_state: bool) -> None:
        """Ends the gate that did not let it through, if it was about to pass one."""
        if not self._began or self._passed >= len(GATES):
            return
        gate = GATES[self._passed]
        if self._ordered or (gate == "device_state" and not by_device_state):
            gate = "issue"
        about = {"certctl.outcome": outcome, "certctl.reason": reason}
        self._gate(gate, self._stopped or time_ns(), about)
        self._began = 0

    def child(self, name: str, attributes: Attributes) -> tuple[Span, str]:
        """A span that has just begun, and its name for another process."""
        span = self._tracer.start_span(name, self._context, SpanKind.CLIENT, attributes)
        own = span.get_span_context()
        parent = TraceParent(
            trace_id=own.trace_id, span_id=own.span_id, sampled=own.trace_flags.sampled
        )
        return span, encode_traceparent(parent)

    def fail(self, kind: str) -> None:
        """A fault of ours; refusals are none."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Once; a stream ends here when it begins. What goes on after it has no spans."""
        if self.is_open:
            self._span.end()
            self.fields = {}

    @property
    def is_open(self) -> bool:
        return self._span.is_recording()

    def _gate(self, gate: str, ended_ns: int, attributes: Attributes) -> None:
        began_ns = min(self._began, ended_ns)
        span = self._tracer.start_span(
            f"gate.{gate}", self._context, attributes=attributes, start_time=began_ns
        )
        span.end(ended_ns)


class Tracing:
    """The spans of a process; ``close`` sends what there is, for a moment."""

    def __init__(self, tracer: Tracer, *, believed: Believed, close: Callable[[], None]) -> None:
        self._tracer = tracer
        self._believed = believed
        self.close = close

    def serve(
        self,
        surface: str,
        method: str,
        headers: Iterable[tuple[bytes, bytes]],
        by_proxy: Callable[[], bool],
    ) -> Trace | None:
        """A request begins; None: it is not one that is traced.

        ``by_proxy`` says whether a trusted proxy sent it, and is asked only where that
        matters.
        """
        shown = method if method in METHODS else OTHER_METHOD
        span = self._tracer.start_span(
            shown,
            self._parent(headers, by_proxy),
            SpanKind.SERVER,
            {"http.request.method": shown, "url.scheme": "https", "certctl.surface": surface},
        )
        return Trace(self._tracer, span) if span.is_recording() else None

    def call(self, kind: str, command: str) -> tuple[Span, str] | None:
        """A question to the authority, for the request that is being served; ``command`` is
        the name of its kind, where it is one.
        """
        trace = CURRENT.get()
        if trace is None or not trace.is_open:
            return None
        if kind == "issue":
            trace.ordered()
        elif kind == "judge_attempt":
            trace.stopped()
        about = {"certctl.command": command} if command else {}
        return trace.child(f"authority.{kind}", about)

    def steps(self, parent: str, steps: Sequence[Step]) -> None:
        """What the authority did for a question of ours (``parent`` as ``call`` gave it)."""
        asked = decode_traceparent(parent.encode())
        if asked is None:
            return
        above = _remote(asked)
        for step in steps[:MOST_STEPS]:
            about: dict[str, str | int] = {"certctl.process": "authority"}
            if step.about:
                about["certctl.issuer"] = step.about
            if step.orders:
                about["certctl.batch.orders"] = step.orders
            span = self._tracer.start_span(
                step.name, above, attributes=about, start_time=step.began_ns
            )
            if step.name in (TURN, COMMAND):
                above = set_span_in_context(span, Context())
            span.end(step.ended_ns)

    @contextmanager
    def deliver(self, attributes: Attributes) -> Iterator[Trace | None]:
        """An attempt to hand an event to a channel: a trace of its own."""
        span = self._tracer.start_span("event.deliver", Context(), SpanKind.PRODUCER, attributes)
        if not span.is_recording():
            yield None
            return
        trace = Trace(self._tracer, span)
        token = CURRENT.set(trace)
        try:
            yield trace
        finally:
            CURRENT.reset(token)
            trace.end()

    def _parent(
        self, headers: Iterable[tuple[bytes, bytes]], by_proxy: Callable[[], bool]
    ) -> Context:
        """Which trace the caller says this belongs to, where the caller is believed.

        Anybody else's word is not taken: it could put spans into other people's traces, or
        have every request traced that sampling would leave out.
        """
        if self._believed is Believed.NOBODY:
            return Context()
        said = [value for name, value in headers if name == b"traceparent"]
        if len(said) != 1 or not (self._believed is Believed.EVERYBODY or by_proxy()):
            return Context()
        parent = decode_traceparent(said[0])
        return Context() if parent is None else _remote(parent)


def _remote(parent: TraceParent) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    context = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), Context())
