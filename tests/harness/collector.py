"""An OpenTelemetry collector on loopback: spans as they came, decoded by OTLP's own schema."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from tests.harness.receiver import Post, Receiver, receiver

PATH = "/v1/traces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span; ids in hex, ``parent`` empty for the first of a trace, times in nanoseconds."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, str | int]
    resource: dict[str, str | int]

    def __getitem__(self, name: str) -> str | int:
        return self.attributes[name]


class Collector:
    """What was sent until now; ``receiver`` decides on the answers."""

    def __init__(self, service: Receiver) -> None:
        self.receiver = service
        service.says(status=200)

    def environment(self) -> dict[str, str]:
        """For a server that shall send here, soon."""
        return {
            "CERTCTL_TRACES_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{self.receiver.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def raw(self) -> bytes:
        """All that was sent."""
        return b"".join(map(_body, list(self.receiver.posts)))

    def spans(self) -> list[Span]:
        return [span for post in list(self.receiver.posts) for span in _spans(post)]

    def wait(self, wanted: Callable[[list[Span]], bool]) -> list[Span]:
        """All spans, once they are what is wanted."""
        self.receiver.wait(lambda _: wanted(self.spans()))
        return self.spans()

    def trace_of(self, **attributes: str) -> list[Span]:
        """All spans of the one trace whose first span has these attributes, once it is
        there.
        """

        def first(spans: list[Span]) -> Span | None:
            return next(
                (each for each in spans if attributes.items() <= each.attributes.items()), None
            )

        found = first(self.wait(lambda spans: first(spans) is not None))
        assert found is not None
        return [each for each in self.spans() if each.trace == found.trace]


@contextmanager
def collector() -> Iterator[Collector]:
    with receiver() as service:
        yield Collector(service)


def _body(post: Post) -> bytes:
    return gzip.decompress(post.body) if post.headers.get("Content-Encoding") else post.body


def _spans(post: Post) -> Iterator[Span]:
    assert post.path == PATH
    request = ExportTraceServiceRequest.FromString(_body(post))
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for each in of_scope.spans:
                yield Span(
                    trace=each.trace_id.hex(),
                    id=each.span_id.hex(),
                    parent=each.parent_span_id.hex(),
                    name=each.name,
                    kind=OtlpSpan.SpanKind.Name(each.kind).removeprefix("SPAN_KIND_"),
                    began=each.start_time_unix_nano,
                    ended=each.end_time_unix_nano,
                    failed=each.status.code == each.status.STATUS_CODE_ERROR,
                    attributes=_attributes(each.attributes),
                    resource=resource,
                )


def _attributes(pairs: object) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for pair in pairs:  # type: ignore[attr-defined]
        value = pair.value
        found[pair.key] = value.int_value if value.HasField("int_value") else value.string_value
    return found
