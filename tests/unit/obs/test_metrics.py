"""What processes count in shared memory, and the text that is made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.domain.profiles import Operation
from certctl.obs.metrics import families
from certctl.obs.metrics.families import FAMILIES, Kind
from certctl.obs.metrics.late_names import SLOTS
from certctl.obs.metrics.measured import (
    AuthorityMetrics,
    Laps,
    TreeMetrics,
    WorkerMetrics,
    layout,
)
from certctl.obs.metrics.numbers import OTHER, Numbers
from certctl.obs.metrics.reference import reference
from certctl.obs.metrics.text import Found, text
from tests.harness.metrics import Metrics, parsed

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
ANSWERS = "certctl_est_answers_total"
WORKERS = ("worker-1", "worker-2")


@pytest.fixture
def numbers() -> Numbers:
    series = layout(
        profiles=["corp", "(legacy root)"],
        answers=[("ok", ""), ("refused", "wrong_password"), ("refused", OTHER)],
        edge_kinds=["rejected"],
        local=["iss-local"],
        outside=["far"],
        channels=["ops"],
        processes=WORKERS,
        routes=[("api", "/api/v1/things/{thing}", "GET")],
    )
    return Numbers(series, ["supervisor", "authority", *WORKERS])


def shown(numbers: Numbers) -> Metrics:
    return parsed(text(numbers.totals(), {}).decode())


def worker(numbers: Numbers, name: str = "worker-1") -> WorkerMetrics:
    return WorkerMetrics(numbers, numbers.begin(name))


def test_the_page_in_docs_is_the_generated_one() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    assert kept == reference(), "run: python -m certctl.obs.metrics.reference > docs/reference/…"


def test_names_keep_to_the_conventions() -> None:
    names = [each.name for each in FAMILIES]
    assert len(set(names)) == len(names)
    for each in FAMILIES:
        assert each.name.startswith("certctl_")
        assert each.name.endswith("_total") == (each.kind is Kind.COUNTER)
        # Prometheus gives targets these labels itself.
        assert not {"job", "instance", "le"} & set(each.labels)
        assert (each.kind is Kind.HISTOGRAM) == bool(each.bounds)
        assert list(each.bounds) == sorted(each.bounds)


def test_other_processes_are_summed_and_one_that_begins_again_counts_on(numbers: Numbers) -> None:
    for name, times in (("worker-1", 2), ("worker-2", 3)):
        pid = os.fork()
        if pid == 0:
            try:
                mine = worker(numbers, name)
                mine.connections.set(times)
                for _ in range(times):
                    mine.answered("corp", Operation.SIMPLEENROLL, "ok", "", began_ns=0)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    found = shown(numbers)
    assert found.total(ANSWERS, profile="corp", operation="simpleenroll", outcome="ok") == 5
    assert found.total("certctl_connections") == 5

    again = worker(numbers)
    found = shown(numbers)
    assert found.total(ANSWERS) == 5
    # What only a living process has went with it.
    assert found.total("certctl_connections") == 3
    again.answered("corp", Operation.SIMPLEENROLL, "ok", "", began_ns=0)
    assert shown(numbers).total(ANSWERS) == 6


def test_what_is_not_foreseen_is_other_or_nothing(numbers: Numbers) -> None:
    mine = worker(numbers)
    mine.answered("corp", Operation.CACERTS, "refused", "brand_new", began_ns=0)
    mine.answered("no-such-profile", Operation.CACERTS, "ok", "", began_ns=0)
    mine.answered("", Operation.CACERTS, "ok", "", began_ns=0)
    mine.edge_refused("brand_new")
    found = shown(numbers)
    assert found.total(ANSWERS, profile="corp", reason=OTHER) == 1
    assert found.total(ANSWERS, profile="(legacy root)") == 1
    assert found.total(ANSWERS) == 2
    assert "no-such-profile" not in found.text
    assert "brand_new" not in found.text


def test_times_fall_into_buckets_that_include_their_bound(numbers: Numbers) -> None:
    mine = AuthorityMetrics(numbers, numbers.begin("authority"))
    for nanoseconds in (100_000, 100_001, 3_000_000_000):
        mine.committed(nanoseconds)
    mine.ran(256)
    found = shown(numbers)
    name = "certctl_store_commit_seconds"
    assert found.total(f"{name}_bucket", le="0.0001") == 1
    assert found.total(f"{name}_bucket", le="0.00025") == 2
    assert found.total(f"{name}_bucket", le="1") == 2
    assert found.total(f"{name}_bucket", le="+Inf") == found.total(f"{name}_count") == 3
    assert found.total(f"{name}_sum") == pytest.approx(3.000200001)
    assert found.total("certctl_store_batch_orders_sum") == 256


def test_laps_are_one_after_the_other(numbers: Numbers) -> None:
    mine = worker(numbers)
    lap = Laps()
    lap(mine.authenticate)
    lap(mine.read)
    found = shown(numbers)
    for step, times in (("authenticate", 1), ("read", 1), ("issue", 0)):
        assert found.total("certctl_est_step_seconds_count", step=step) == times


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("timeout", "timeout"),
        ("closed by peer", "peer_left"),
        ("Unexpected EOF", "peer_left"),
        ("no shared cipher", "failed"),
        ("anything\nelse", "failed"),
    ],
)
def test_handshakes_fail_in_three_ways(numbers: Numbers, reason: str, outcome: str) -> None:
    worker(numbers).no_handshake(reason)
    found = shown(numbers)
    labels = {"version": "none", "outcome": outcome}
    assert found.total("certctl_tls_handshakes_total", **labels) == 1
    assert found.total("certctl_tls_handshakes_total") == 1


def test_the_tree_tells_who_is_up(numbers: Numbers) -> None:
    tree = TreeMetrics(numbers, numbers.begin("supervisor"))
    for name in (*WORKERS, "on-ready"):
        tree.started(name)
        tree.is_up(name, up=True)
    tree.is_up("worker-2", up=False)
    found = shown(numbers)
    assert found.total("certctl_process_starts_total") == 2
    assert found.total("certctl_process_up", process="worker-1") == 1
    assert found.total("certctl_process_up") == 1


def test_alone_it_counts_for_nobody() -> None:
    mine = WorkerMetrics.unshared()
    mine.answered("corp", Operation.SIMPLEENROLL, "ok", "", began_ns=0)
    mine.shook_hands("TLSv1.3")
    mine.ocsp("iss-local", "told")
    AuthorityMetrics.unshared().took("far", 1)


def test_values_that_are_found_elsewhere_stand_beside_them(numbers: Numbers) -> None:
    found: Found = {
        families.EST_REQUESTS: {('co"rp\n', "rate_limited"): 7},
        families.STORE_UP: {(): 1},
    }
    answer = parsed(text(numbers.totals(), found).decode())
    assert answer.total("certctl_est_requests_total", profile='co"rp\n') == 7
    assert answer.total("certctl_store_up") == 1
    assert "certctl_build_info" not in answer.families


HTTP = "certctl_http_answers_total"


def test_answers_are_counted_by_template_and_what_leads_nowhere_together(numbers: Numbers) -> None:
    answered = worker(numbers).answers_of("api")
    thing = "/api/v1/things/{thing}"
    for route, method, status in (
        (thing, "GET", 200),
        (thing, "HEAD", 204),
        (thing, "GET", 404),
        (thing, "DELETE", 405),
        ("", "GET", 404),
        ("", "PLANTED", 405),
        ("/brand/new", "GET", 503),
    ):
        answered(route, method, status, 0)
    found = shown(numbers)
    assert found.total(HTTP, route=thing, method="GET", status="2xx") == 2
    assert found.total(HTTP, route=thing) == 3
    assert found.total(HTTP, route=OTHER, method="DELETE", status="4xx") == 1
    assert found.total(HTTP, route=OTHER, method=OTHER, status="4xx") == 1
    assert found.total(HTTP, route=OTHER, method="GET", status="5xx") == 1
    assert found.total(HTTP, surface="api") == 7
    assert found.total("certctl_http_answer_seconds_count", surface="api") == 7
    assert "PLANTED" not in found.text
    assert "brand" not in found.text


def test_an_issuer_that_comes_late_has_its_series_in_every_process(numbers: Numbers) -> None:
    authority = AuthorityMetrics(numbers, numbers.begin("authority"))
    mine = worker(numbers)
    calls, ocsp = "certctl_issuer_calls_total", "certctl_ocsp_answers_total"
    assert shown(numbers).total(calls, issuer="factory") == 0
    mine.ocsp("factory", "told")
    found = shown(numbers)
    assert found.total(ocsp, issuer=OTHER, outcome="told") == 1
    authority.has_issuer("factory")
    authority.has_issuer("factory")
    authority.called("factory", "issue", "ok")
    mine.ocsp("factory", "told")
    found = shown(numbers)
    assert found.total(calls, issuer="factory", call="issue", outcome="ok") == 1
    assert found.total(ocsp, issuer="factory", outcome="told") == 1
    # Known from then on, 0 where nothing happened; those that are free are not shown.
    assert (calls, (("call", "issue"), ("issuer", "factory"), ("outcome", "unavailable"))) in (
        found.samples
    )
    assert "\0" not in found.text
    authority.called("factory", "issue", "disabled")
    assert shown(numbers).total(calls, issuer="factory", outcome="disabled") == 1
    assert authority.called("far", "revoke", "ok") is None
    assert shown(numbers).total(calls, issuer="far", call="revoke") == 1


def test_there_are_so_many_late_issuers_and_the_others_share_one(numbers: Numbers) -> None:
    authority = AuthorityMetrics(numbers, numbers.begin("authority"))
    names = [f"{number:02d}-{'x' * 60}" for number in range(SLOTS + 3)]
    for name in names:
        authority.has_issuer(name)
        authority.called(name, "issue", "ok")
    found = shown(numbers)
    calls = "certctl_issuer_calls_total"
    assert [found.total(calls, issuer=name) for name in names] == [1] * SLOTS + [0] * 3
    assert found.total(calls, issuer=OTHER) == 3
