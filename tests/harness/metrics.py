"""``/metrics`` as Prometheus reads it, by the parser of its own library."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.harness.api import ApiClient
from tests.harness.http import TIMEOUT_SECONDS, Response
from tests.harness.server import RunningServer

PATH = "/metrics"
WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One answer; ``samples`` by name and labels (as a sorted tuple of pairs)."""

    text: str
    families: frozenset[str]
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have all these labels."""
        return sum(
            value
            for (found, pairs), value in self.samples.items()
            if found == name and labels.items() <= dict(pairs).items()
        )

    def names(self) -> set[str]:
        """What a query may name."""
        return {name for name, _ in self.samples}


def parsed(text: str) -> Metrics:
    families = list(text_string_to_metric_families(text))
    samples = [sample for family in families for sample in family.samples]
    by_name = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in samples}
    assert len(by_name) == len(samples), "a series stands there twice"
    return Metrics(text=text, families=frozenset(each.name for each in families), samples=by_name)


def ask_port(port: int, method: str = "GET", path: str = PATH) -> Response:
    """One request to the plain listener."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return Response(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())


def from_port(port: int) -> Metrics:
    answer = ask_port(port)
    assert answer.status == 200, answer.text
    return parsed(answer.text)


def from_main_port(server: RunningServer, key: str) -> Metrics:
    answer = ApiClient(server, key).send("GET", PATH, prefix="")
    assert answer.status == 200, answer.text
    return parsed(answer.text)


def until(read: Callable[[], Metrics], wanted: Callable[[Metrics], bool]) -> Metrics:
    """The first answer that is as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not wanted(found := read()):
        assert time.monotonic() < deadline, found.text
        time.sleep(PAUSE_SECONDS)
    return found
