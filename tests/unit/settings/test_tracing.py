"""Traces are switched on only where they can be sent; ``OTEL_…`` is checked with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.util.re import parse_env_headers

from certctl.domain.traces import Believed
from certctl.settings import SettingsRefused, load_settings
from certctl.settings.schema import Settings

ON = {"CERTCTL_TRACES_ENABLED": "true"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def loaded(directory: Path, **more: str) -> Settings:
    environ = {"CERTCTL_DATA_DIR": str(directory), "CERTCTL_EST_ENABLED": "true"}
    return load_settings({**environ, **more}, None)


def test_off_by_default_and_then_nothing_of_otel_is_looked_at(tmp_path: Path) -> None:
    settings = loaded(tmp_path, **{ENDPOINT: "nonsense", "OTEL_TRACES_SAMPLER": "nonsense"})
    assert settings.traces.enabled is False


def test_on_with_the_standard_defaults(tmp_path: Path) -> None:
    traces = loaded(tmp_path, **ON).traces
    assert (traces.enabled, traces.parent) == (True, Believed.PROXIES)
    assert (traces.queue, traces.batch) == (2_048, 128)
    small = loaded(tmp_path, **ON, OTEL_BSP_MAX_QUEUE_SIZE="100").traces
    assert (small.queue, small.batch) == (100, 100)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ENDPOINT, "localhost:4318"),
        (ENDPOINT, "grpc://localhost:4317"),
        (ENDPOINT, "http://"),
        (ENDPOINT, "http://[::1"),
        (ENDPOINT, "http://localhost:99999"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "file:///etc/passwd"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "planted-token"),
        ("OTEL_EXPORTER_OTLP_HEADERS", 'authorization="planted-token"'),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,planted-token"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "9" * 40),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1"),
    ],
)
def test_what_the_sdk_could_not_use_is_refused_by_its_name(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(SettingsRefused) as caught:
        loaded(tmp_path, **ON, **{name: text})
    (finding,) = caught.value.findings
    assert finding.variable == name
    assert "planted-token" not in f"{finding} {finding.came}"


def test_headers_as_the_sdk_takes_them(tmp_path: Path) -> None:
    headers = "authorization=Bearer%20abc.DEF-1_2==,x-tenant = one two"
    assert loaded(tmp_path, **ON, OTEL_EXPORTER_OTLP_HEADERS=headers).traces.enabled
    assert parse_env_headers(headers, liberal=True) == {
        "authorization": "Bearer abc.DEF-1_2==",
        "x-tenant": "one two",
    }


@pytest.mark.parametrize("text", ["2", "-0.1", "half", "nan"])
def test_a_ratio_is_between_0_and_1(tmp_path: Path, text: str) -> None:
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": text}
    with pytest.raises(SettingsRefused) as caught:
        loaded(tmp_path, **ON, **ratio)
    assert [each.variable for each in caught.value.findings] == ["OTEL_TRACES_SAMPLER_ARG"]


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({**ON, ENDPOINT: "http://collector.example:4318"}, ENDPOINT),
        ({**ON, "OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED"),
        ({"CERTCTL_TRACES_PARENT": "nobody"}, "CERTCTL_TRACES_PARENT"),
    ],
)
def test_what_works_and_is_not_what_it_looks_like_is_warned_of(
    tmp_path: Path, given: dict[str, str], warned: str
) -> None:
    settings = loaded(tmp_path, **given)
    assert warned in [each.variable for each in settings.warnings]


@pytest.mark.parametrize(
    "endpoint", ["http://localhost:4318", "http://[::1]:4318", "https://collector.example"]
)
def test_a_collector_on_this_host_or_by_tls_needs_no_warning(tmp_path: Path, endpoint: str) -> None:
    settings = loaded(tmp_path, **ON, **{ENDPOINT: endpoint})
    assert ENDPOINT not in [each.variable for each in settings.warnings]


def test_disabled_by_the_standard_variable_nothing_is_traced(tmp_path: Path) -> None:
    assert loaded(tmp_path, **ON, OTEL_SDK_DISABLED="true").traces.enabled is False
