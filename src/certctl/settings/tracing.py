"""Whether traces can be sent, out of our settings and OpenTelemetry's own variables.

The SDK reads ``OTEL_…`` for itself, and where it cannot use a value it takes another one
in silence. So they are checked here, at the start, while somebody is looking.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from certctl.settings.catalogue import tracing as names
from certctl.settings.findings import shown
from certctl.settings.given import Given
from certctl.settings.traces import DEFAULT_BATCH, DEFAULT_QUEUE, TraceSettings

EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
SDK: Final = "opentelemetry.sdk.trace"

DISABLED: Final = "OTEL_SDK_DISABLED"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FILES: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{which}{kind}"
    for which in ("", "TRACES_")
    for kind in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
)
COMPRESSIONS: Final = ("none", "gzip", "deflate")
# What is not of this form the SDK leaves out, and says so nowhere that anybody looks.
HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+ *=[ !#-+\--:<-\[\]-~]*")
SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SAMPLER_ARG: Final = "OTEL_TRACES_SAMPLER_ARG"
BY_RATIO: Final = ("traceidratio", "parentbased_traceidratio")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
    *BY_RATIO,
)
QUEUE: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
BATCH: Final = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
LIMIT: Final = re.compile("OTEL_[A-Z_]+_LIMIT")
DELAY: Final = "OTEL_BSP_SCHEDULE_DELAY"
MOST_SPANS: Final = 65_536
"""About 100 MB of them in each process."""

Refuse = Callable[..., None]


def trace_settings(given: Given, environ: Mapping[str, str]) -> TraceSettings:
    """Faults go into the report; nothing of ``OTEL_…`` is looked at where traces are off."""
    enabled, parent = given.value(names.TRACES_ENABLED), given.value(names.TRACES_PARENT)
    if not enabled:
        if given.is_set(names.TRACES_PARENT):
            given.warn(
                names.TRACES_PARENT,
                "",
                f"has no effect: {names.TRACES_ENABLED.full_name()} is off",
                "unset it",
            )
        return TraceSettings(enabled=False, parent=parent)
    if not (_is_installed(SDK) and _is_installed(EXPORTER)):
        given.refuse(
            names.TRACES_ENABLED,
            "",
            "is on, and OpenTelemetry is not installed",
            "install certctl with the extra otel: pip install 'certctl[otel]'; or turn it off",
        )
    said = {name: text.strip() for name, text in environ.items() if text.strip()}
    if said.get(DISABLED, "").lower() == "true":
        given.report.warn(DISABLED, "is true: no traces are sent", "unset it")
        return TraceSettings(enabled=False, parent=parent)
    _check_exporter(said, given)
    _check_sampler(said, given.report.refuse)
    _check_batches(said, given.report.refuse)
    queue, batch = _sizes(said)
    return TraceSettings(enabled=True, parent=parent, queue=queue, batch=batch)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _check_exporter(said: Mapping[str, str], given: Given) -> None:
    refuse = given.report.refuse
    exporter = said.get("OTEL_TRACES_EXPORTER", "otlp")
    if exporter != "otlp":
        _refuse_text(refuse, "OTEL_TRACES_EXPORTER", exporter, "otlp")
    for name in PROTOCOLS:
        if said.get(name, "http/protobuf") != "http/protobuf":
            _refuse_text(refuse, name, said[name], "http/protobuf")
    for name in ENDPOINTS:
        if name in said:
            _check_endpoint(name, said[name], given)
    for kind in ("OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"):
        _check_sending(kind, said, refuse)
    for name in FILES:
        if name in said and not Path(said[name]).is_file():
            refuse(name, "there is no such file", "mend the path", came=shown(said[name]))


def _check_sending(kind: str, said: Mapping[str, str], refuse: Refuse) -> None:
    compression, timeout = f"{kind}COMPRESSION", f"{kind}TIMEOUT"
    if said.get(compression, "none") not in COMPRESSIONS:
        _refuse_text(refuse, compression, said[compression], ", ".join(COMPRESSIONS))
    if timeout in said and not _is_number(said[timeout], 0.001, 3_600.0):
        _refuse_text(refuse, timeout, said[timeout], "seconds, more than 0")
    headers = f"{kind}HEADERS"
    if not all(HEADER.fullmatch(each.strip()) for each in said.get(headers, "x=y").split(",")):
        # Not shown: it may hold a token.
        refuse(
            headers,
            "a header in it cannot be read",
            "write them as NAME=VALUE,NAME=VALUE, the values URL-encoded",
        )


def _is_number(text: str, least: float, most: float) -> bool:
    try:
        return least <= float(text) <= most
    except ValueError:
        return False


def _check_endpoint(name: str, text: str, given: Given) -> None:
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        url, host = urlsplit(""), None
    if url.scheme not in ("http", "https") or not host or not text.isprintable():
        given.report.refuse(
            name,
            "is no address of a collector",
            "write it as http://HOST:4318 or https://HOST",
            came=shown(text),
        )
    elif url.scheme == "http" and not _is_loopback(host):
        given.report.warn(
            name,
            "traces, and what OTEL_EXPORTER_OTLP_HEADERS holds, go over the network in the clear",
            "use an https:// address, or a collector on this host",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_sampler(said: Mapping[str, str], refuse: Refuse) -> None:
    sampler = said.get(SAMPLER, "parentbased_always_on").lower()
    if sampler not in SAMPLERS:
        _refuse_text(refuse, SAMPLER, said[SAMPLER], ", ".join(SAMPLERS))
    if sampler not in BY_RATIO or SAMPLER_ARG not in said:
        return
    if not _is_number(said[SAMPLER_ARG], 0.0, 1.0):
        _refuse_text(refuse, SAMPLER_ARG, said[SAMPLER_ARG], "a number, 0 to 1")


def _check_batches(said: Mapping[str, str], refuse: Refuse) -> None:
    bounds = {QUEUE: (1, MOST_SPANS), BATCH: (1, MOST_SPANS), DELAY: (1, 3_600_000)}
    # Any other value of these ends the process that loads the SDK.
    bounds |= {name: (0, 1_000_000) for name in said if LIMIT.fullmatch(name)}
    sound = True
    for name, (least, most) in bounds.items():
        text = said.get(name, "1")
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            _refuse_text(refuse, name, text, f"a whole number, {least} to {most}")
            sound = False
    queue, batch = _sizes(said)
    if sound and batch > queue:
        problem = f"a batch of {batch} is more than the queue holds, {queue}"
        refuse(BATCH, problem, "mend one of the two")


def _sizes(said: Mapping[str, str]) -> tuple[int, int]:
    """Of queue and batch; a batch that nobody chose fits into the queue."""
    queue = _int_of(said, QUEUE, DEFAULT_QUEUE)
    return queue, _int_of(said, BATCH, min(DEFAULT_BATCH, queue))


def _int_of(said: Mapping[str, str], name: str, default: int) -> int:
    """A number that was checked, or is about to be refused."""
    text = said.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


def _refuse_text(refuse: Refuse, name: str, text: str, allowed: str) -> None:
    refuse(name, "cannot be used here", "mend it or unset it", came=shown(text), allowed=allowed)
