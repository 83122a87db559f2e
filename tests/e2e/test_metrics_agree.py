"""Counters in the web pages, the API and ``/metrics`` agree: two workers at each of two nodes
on one PostgreSQL, while devices enroll and are refused at both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from certctl.domain.audit import Counter
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.metrics import Metrics, from_main_port, from_port, until
from tests.harness.nodes import node, second_node
from tests.harness.pages import Visitor
from tests.harness.postgres import PrivatePostgres
from tests.harness.server import RunningServer, free_port

PASSWORD = "corp-password-0001"
PROFILES = ("corp", "iot")
SETTINGS = {
    "WORKERS": "2",
    "EST_PROFILES": ",".join(PROFILES),
    **{
        f"EST_PROFILE_{name.upper()}_{setting}": value
        for name in PROFILES
        for setting, value in (
            ("ISSUER_ID", "iss-local"),
            ("ALLOWED_AUTH_MODES", "basic"),
            ("ENROLLMENT_PASSWORD", PASSWORD),
        )
    },
}
GOOD, BAD = 12, 4
ROUNDS = 3

Counters = dict[tuple[str, str], int]


class Node(NamedTuple):
    server: RunningServer
    port: int

    def metrics(self) -> Metrics:
        return from_port(self.port)


class Site(NamedTuple):
    nodes: tuple[Node, Node]
    key: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("agree")
    ports = free_port(), free_port()
    one = node(directory / "one", postgres.migrated(), SETTINGS | {"METRICS_PORT": str(ports[0])})
    with one:
        two = second_node(one, directory / "two")
        two.environment["CERTCTL_METRICS_PORT"] = str(ports[1])
        with two:
            yield Site((Node(one, ports[0]), Node(two, ports[1])), first_key(one))


def in_metrics(found: Metrics) -> Counters:
    return {
        (profile, label.value): int(
            found.total("certctl_est_requests_total", profile=profile, label=label.value)
        )
        for profile in PROFILES
        for label in Counter
    }


def in_api(server: RunningServer, key: str) -> Counters:
    told = ApiClient(server, key).get("/admin/est/profiles")
    return {
        (each["path_id"], label): number
        for each in told["profiles"]
        for label, number in each["counters"].items()
    }


def in_pages(server: RunningServer, key: str) -> Counters:
    visitor = Visitor(server)
    visitor.log_in(key)
    page = visitor.get("/est").text
    return {
        (profile, label.value): int(shown.group(1).replace(",", ""))
        for profile in PROFILES
        for label in Counter
        if (shown := re.search(rf'"est-counter-{profile}-{label.value}">([\d,]+)<', page))
    }


def test_pages_api_and_metrics_of_each_node_agree(site: Site, tmp_path: Path) -> None:
    def send(number: int) -> int:
        which = site.nodes[number % 2].server
        profile = PROFILES[number // 2 % 2]
        good = number < GOOD * len(site.nodes)
        device = Device(tmp_path, f"device-{number}")
        body = None if good else b"no CSR at all"
        path = f"/.well-known/est/{profile}/simpleenroll"
        return device.enroll(which, path, password=PASSWORD, body=body).status

    total = (GOOD + BAD) * len(site.nodes)
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(send, range(total)))
        # Asked while devices are served: none may fail or be torn.
        reading = [pool.submit(each.metrics) for each in site.nodes for _ in range(ROUNDS)]
        assert all(each.result().total("certctl_workers") == 2 for each in reading)
    assert statuses == [200] * GOOD * 2 + [400] * BAD * 2

    def is_recorded(found: Metrics) -> bool:
        return found.total("certctl_est_requests_total", label="csr_invalid") == BAD * 2

    for each in site.nodes:
        # Refusals are on record a moment after their answer.
        counted = in_metrics(until(each.metrics, is_recorded))
        assert sum(counted.values()) == total
        for profile in PROFILES:
            assert counted[profile, "success_simpleenroll"] == GOOD
            assert counted[profile, "csr_invalid"] == BAD
        assert in_metrics(from_main_port(each.server, site.key)) == counted
        assert in_api(each.server, site.key) == counted
        assert in_pages(each.server, site.key) == counted

    # What each node counted by itself, over its two workers, comes to the same.
    own = [each.metrics() for each in site.nodes]
    for profile in PROFILES:
        for outcome, wanted in (("ok", GOOD), ("refused", BAD)):
            labels = {"profile": profile, "operation": "simpleenroll", "outcome": outcome}
            answers = [found.total("certctl_est_answers_total", **labels) for found in own]
            assert answers == [wanted / 2] * 2
