"""Numbers as the text that Prometheus reads (version 0.0.4), by its own library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from certctl.obs.metrics.families import EST_ANSWERS, FAMILIES, HTTP_ANSWERS, Family, Kind
from certctl.obs.metrics.numbers import OTHER, Labels, Totals

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Found = Mapping[Family, Mapping[Labels, float]]
"""Values of counters and gauges."""

SPARSE = frozenset({EST_ANSWERS, HTTP_ANSWERS})
"""Of most combinations of these labels there will never be one: shown once there is."""

FAULTS = "5xx"
"""Shown before there is one: Prometheus sees a rise only from a number that it has seen."""


def text(totals: Totals, found: Found) -> bytes:
    """All that the processes counted, and what was found in records and files."""
    return generate_latest(_All(totals, found))


class _All:
    """A collector of ``prometheus_client``."""

    def __init__(self, totals: Totals, found: Found) -> None:
        self._totals = totals
        self._found = found

    def collect(self) -> Iterable[Metric]:
        for family in FAMILIES:
            metric = self._metric(family)
            if metric.samples:
                yield metric

    def _metric(self, family: Family) -> Metric:
        if family.kind is Kind.HISTOGRAM:
            return self._histogram(family)
        make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
        metric = make(family.name, family.help, labels=family.labels)
        for labels, value in self._values(family):
            metric.add_metric(labels, value)
        return metric

    def _values(self, family: Family) -> Iterator[tuple[Labels, float]]:
        for labels, (value,) in self._totals.series(family):
            if value or not _is_seldom(family, labels):
                yield labels, value
        yield from self._found.get(family, {}).items()

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        names = [*(f"{bound / family.scale:g}" for bound in family.bounds), "+Inf"]
        for labels, (total, *numbers) in self._totals.series(family):
            buckets = list(zip(names, map(float, accumulate(numbers)), strict=True))
            metric.add_metric(labels, buckets, sum_value=total / family.scale)
        return metric


def _is_seldom(family: Family, labels: Labels) -> bool:
    """Not worth a line as long as it is 0."""
    return OTHER in labels or (family in SPARSE and FAULTS not in labels)
