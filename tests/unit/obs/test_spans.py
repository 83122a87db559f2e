"""Spans of one process, read back from the SDK before they are sent anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from certctl.domain.traces import Believed
from certctl.obs.metrics.measured import Laps, WorkerMetrics
from certctl.obs.tracing.current import CURRENT, trace_fields
from certctl.obs.tracing.gates import traced_laps
from certctl.obs.tracing.spans import GATES, Trace, Tracing
from certctl.obs.tracing.steps import CALL, COMMAND, COMMIT, SIGN, TURN, Step, TurnSteps
from certctl.web.watched import ROUTE
from certctl.wire.traceparent import decode_traceparent

SOURCES = Path(__file__).parents[3] / "src" / "certctl"
PAGE = SOURCES.parents[1] / "docs" / "how-to" / "trace.md"
TELLS = (
    *(SOURCES / "obs" / "tracing").glob("*.py"),
    SOURCES / "web" / "est_trace.py",
    SOURCES / "web" / "watched.py",
    SOURCES / "wiring" / "traced_channel.py",
)


class World:
    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(
            provider.get_tracer("test"), believed=Believed.PROXIES, close=provider.shutdown
        )

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {each.name: each for each in self.exporter.get_finished_spans()}

    @contextmanager
    def request(self) -> Iterator[Trace]:
        trace = self.tracing.serve("est", "POST", [], lambda: False)
        assert trace is not None
        token = CURRENT.set(trace)
        try:
            yield trace
        finally:
            CURRENT.reset(token)
            trace.end()


@pytest.fixture
def world() -> World:
    return World()


def reasons(world: World) -> dict[str, object]:
    return {
        name.removeprefix("gate."): (span.attributes or {})["certctl.outcome"]
        for name, span in world.spans.items()
        if name.startswith("gate.")
    }


@pytest.mark.parametrize(
    ("passed", "ordered", "by_device_state", "gate"),
    [
        ([], False, False, "authenticate"),
        (["authenticate"], False, True, "read"),
        (["authenticate", "read"], False, False, "authorize"),
        (["authenticate", "read", "authorize"], False, True, "device_state"),
        (["authenticate", "read", "authorize"], False, False, "issue"),
        (["authenticate", "read", "authorize"], True, False, "issue"),
        (["authenticate", "read", "authorize", "device_state"], True, True, "issue"),
    ],
)
def test_a_refusal_ends_the_gate_that_it_came_from(
    world: World, passed: list[str], gate: str, *, ordered: bool, by_device_state: bool
) -> None:
    metrics = WorkerMetrics.unshared()
    with world.request() as trace:
        lap = traced_laps(metrics)()
        for each in passed:
            lap(getattr(metrics, each))
        if ordered:
            world.tracing.call("issue", "")
        trace.refused("refused", "some_reason", by_device_state=by_device_state)
    assert reasons(world) == {**dict.fromkeys(passed, "passed"), gate: "refused"}


def test_a_request_without_gates_that_is_refused_has_none(world: World) -> None:
    with world.request() as trace:
        trace.refused("refused", "body_too_large", by_device_state=False)
    assert reasons(world) == {}


def test_what_goes_on_after_a_request_has_no_spans_and_no_log_fields(world: World) -> None:
    with world.request() as trace:
        assert trace_fields()["trace_id"] == trace.fields["trace_id"] != ""
        trace.end()
        assert trace_fields() == {}
        assert world.tracing.call("execute", "RevokeCertificate") is None
    assert list(world.spans) == ["POST"]


def test_outside_of_a_request_there_is_nothing(world: World) -> None:
    assert trace_fields() == {}
    assert world.tracing.call("execute", "RevokeCertificate") is None
    assert type(traced_laps(WorkerMetrics.unshared())()) is Laps


def test_what_sampling_leaves_out_costs_no_span(world: World) -> None:
    del world
    silent = World(ALWAYS_OFF)
    assert silent.tracing.serve("est", "POST", [], lambda: False) is None
    with silent.tracing.deliver({}) as trace:
        assert trace is None
    assert silent.spans == {}


def test_steps_of_the_authority_stand_below_the_question_that_named_them(world: World) -> None:
    steps = TurnSteps()
    steps.begin()
    steps.signed("request-1", "iss-local", 1)
    steps.committing(lambda _: None)(5)
    with world.request():
        asked = world.tracing.call("issue", "")
        assert asked is not None
        world.tracing.steps(asked[1], steps.of_order("request-1", 3))
        asked[0].end()
    spans = world.spans
    parent = decode_traceparent(asked[1].encode())
    turn = spans["authority.turn"]
    assert parent is not None
    assert turn.parent is not None
    assert turn.context is not None
    assert turn.parent.span_id == parent.span_id
    assert (turn.attributes or {})["certctl.batch.orders"] == 3
    for name in ("issuer.sign", "store.commit"):
        above = spans[name].parent
        assert above is not None
        assert above.span_id == turn.context.span_id


def test_steps_are_for_one_order_and_calls_are_told_once() -> None:
    steps = TurnSteps()
    steps.begin()
    steps.signed("one", "iss-local", 1)
    assert [each.name for each in steps.of_order("other", 2)] == ["authority.turn"]
    steps.called("intent", "far", ended_ns=50, took_ns=20)
    assert steps.of_call("intent") == [Step("issuer.call", 30, 50, "far")]
    assert steps.of_call("intent") == []
    steps.called("nobody-waits", "far", ended_ns=50, took_ns=20)
    steps.forget_calls()
    assert steps.of_call("nobody-waits") == []
    steps.begin()
    assert [each.name for each in steps.of_order("one", 1)] == ["authority.turn"]


def test_steps_for_a_question_that_is_none_are_left_out(world: World) -> None:
    world.tracing.steps("nonsense", [Step("issuer.sign", 1, 2)])
    assert world.spans == {}


def test_a_method_of_anybodys_making_has_no_name_here(world: World) -> None:
    trace = world.tracing.serve("api", "PLANTED", [], lambda: False)
    assert trace is not None
    trace.end()
    assert list(world.spans) == ["_OTHER"]


def test_the_page_of_the_docs_names_every_span_and_attribute_and_no_other() -> None:
    code = "".join(path.read_text() for path in TELLS)
    page = PAGE.read_text()
    attributes = set(re.findall(r'"(certctl\.[a-z_.]+)"', code))
    assert attributes - {ROUTE} == set(re.findall(r"`(certctl\.[a-z_.]+)`", page))
    names = {TURN, COMMAND, SIGN, CALL, COMMIT, "event.deliver"}
    names |= {f"gate.{each}" for each in GATES}
    names |= {f"authority.{each}" for each in ("issue", "judge_attempt", "execute")}
    found = re.findall(r"`((?:gate|authority|issuer|store|event)\.[a-z_]+)`", page)
    assert set(found) == names
