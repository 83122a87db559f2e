"""What each process of a server measures, as the code that does the work calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Final, Self

from certctl.domain.profiles import Operation, profile_name
from certctl.obs.metrics import families
from certctl.obs.metrics.late_names import PLACEHOLDERS
from certctl.obs.metrics.meters import Counters, Gauge, Histogram, histograms
from certctl.obs.metrics.numbers import OTHER, Labels, Layout, Numbers, Page, every

STEPS: Final = ("authenticate", "read", "authorize", "device_state", "issue")
HANDSHAKES: Final[tuple[Labels, ...]] = (
    ("TLSv1.3", "ok"),
    ("TLSv1.2", "ok"),
    ("none", "failed"),
    ("none", "peer_left"),
    ("none", "timeout"),
)
OCSP_OUTCOMES: Final = ("told", "refused", "unavailable", "limited")
CALLS: Final = ("issue", "find", "revoke")
CALL_OUTCOMES: Final = ("ok", "refused", "unavailable", "silent", "misbehaved", "error")
DELIVERY_OUTCOMES: Final = ("delivered", "failed")
SPAN_OUTCOMES: Final = ("exported", "failed", "dropped")

SURFACES: Final = ("api", "pages", "mcp")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
NOWHERE: Final = every(SURFACES, (OTHER,), METHODS)
"""Requests that found nothing, by their method."""

# How ``tls`` names a peer that left in the middle of a handshake.
_LEFT: Final = frozenset({"closed by peer", "Unexpected EOF", "ECONNRESET"})


def layout(
    *,
    profiles: Sequence[str] = (),
    answers: Sequence[Labels] = (),
    edge_kinds: Sequence[str] = (),
    local: Sequence[str] = (),
    outside: Sequence[str] = (),
    channels: Sequence[str] = (),
    processes: Sequence[str] = (),
    routes: Sequence[Labels] = (),
) -> Layout:
    """The series of one server.

    ``profiles`` are EST profiles as people call them, ``answers`` the pairs of outcome and
    reason that an EST request can have, ``local`` issuers whose key is here and ``outside``
    the others, ``routes`` surface, template and method of all that is served; the rest are
    the values of their labels.
    """
    operations = [each.value for each in Operation]
    here = [*local, *PLACEHOLDERS, OTHER]
    return Layout(
        {
            families.EST_ANSWERS: [
                (*which, *answer) for which in every(profiles, operations) for answer in answers
            ],
            families.EST_SECONDS: every(operations),
            families.STEP_SECONDS: every(STEPS),
            families.HANDSHAKES: HANDSHAKES,
            families.EDGE_REFUSED: every(edge_kinds),
            families.CONNECTIONS: [()],
            families.OCSP_ANSWERS: every([*here, *outside], OCSP_OUTCOMES),
            families.HTTP_ANSWERS: [
                (*route, status) for route in (*routes, *NOWHERE) for status in STATUSES
            ],
            families.HTTP_SECONDS: every(SURFACES),
            families.COMMIT_SECONDS: [()],
            families.BATCH_ORDERS: [()],
            families.ISSUER_CALLS: [
                *every(here, ("issue",), ("ok", "unavailable", "disabled")),
                *every(outside, CALLS, CALL_OUTCOMES),
            ],
            families.ISSUER_SECONDS: every(outside),
            families.DELIVERIES: every(channels, DELIVERY_OUTCOMES),
            families.TRACE_SPANS: every(SPAN_OUTCOMES),
            families.PROCESS_UP: every(processes),
            families.PROCESS_STARTS: every(processes),
        }
    )


class _Measured:
    """``numbers`` are the server's, ``page`` is this process's own."""

    def __init__(self, numbers: Numbers, page: Page) -> None:
        self._layout = numbers.layout
        self._page = page
        self._late = numbers.late

    @classmethod
    def unshared(cls) -> Self:
        """For one that works by itself: nobody sees what it counts."""
        numbers = Numbers(layout(), ("alone",))
        return cls(numbers, numbers.begin("alone"))

    def spans(self, outcome: str, number: int) -> None:
        """So many spans had this outcome, one of ``SPAN_OUTCOMES``."""
        self._counters(families.TRACE_SPANS).add_many(number, outcome)

    def _counters(self, family: families.Family) -> Counters:
        return Counters(self._page, self._layout, family)

    def _counters_by_issuer(self, family: families.Family) -> Counters:
        """Also of issuers that come while the server runs."""
        return Counters(self._page, self._layout, family, self._late)

    def _histogram(self, family: families.Family, *labels: str) -> Histogram:
        return Histogram(self._page, self._layout.places(family)[labels], family)

    def _gauge(self, family: families.Family) -> Gauge:
        return Gauge(self._page, self._layout.places(family)[()])


class Laps:
    """A watch for the steps of one request: each lap ends where the next begins."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter_ns()

    def __call__(self, step: Histogram) -> None:
        now = perf_counter_ns()
        step.observe(now - self._since)
        self._since = now


class WorkerMetrics(_Measured):
    """Of a worker; from its event loop."""

    def __init__(self, numbers: Numbers, page: Page) -> None:
        super().__init__(numbers, page)
        steps = (self._histogram(families.STEP_SECONDS, step) for step in STEPS)
        self.authenticate, self.read, self.authorize, self.device_state, self.issue = steps
        self.connections = self._gauge(families.CONNECTIONS)
        self.ocsp = self._counters_by_issuer(families.OCSP_ANSWERS).add
        """Issuer and outcome, one of ``OCSP_OUTCOMES``."""
        self._answers = self._counters(families.EST_ANSWERS)
        self._seconds = {
            operation: histogram
            for (operation,), histogram in histograms(
                page, numbers.layout, families.EST_SECONDS
            ).items()
        }
        self._handshakes = self._counters(families.HANDSHAKES)
        self._edge = self._counters(families.EDGE_REFUSED)

    def answered(
        self, path_id: str, operation: Operation, outcome: str, reason: str, *, began_ns: int
    ) -> None:
        """An EST request got its answer; ``began_ns`` is of ``perf_counter_ns``."""
        name = operation.value
        self._seconds[name].observe(perf_counter_ns() - began_ns)
        self._answers.add(profile_name(path_id), name, outcome, reason)

    def answers_of(self, surface: str) -> Callable[[str, str, int, int], None]:
        """Counts the answers of one of ``SURFACES``: route (empty where none was found),
        method, status, and when the request was there (``perf_counter_ns``).
        """
        seconds = histograms(self._page, self._layout, families.HTTP_SECONDS)[surface,]
        answers = self._counters(families.HTTP_ANSWERS)
        places = self._layout.places(families.HTTP_ANSWERS)
        known = frozenset(labels[1:3] for labels in places if labels[0] == surface)

        def answered(route: str, method: str, status: int, began_ns: int) -> None:
            seconds.observe(perf_counter_ns() - began_ns)
            # HEAD is answered as GET is, only without the body.
            found = route, "GET" if method == "HEAD" else method
            if found not in known:
                found = OTHER, method if method in METHODS else OTHER
            answers.add(surface, *found, f"{status // 100}xx")

        return answered

    def shook_hands(self, version: str) -> None:
        self._handshakes.add(version, "ok")

    def no_handshake(self, reason: str) -> None:
        """``reason`` as the TLS engine has it: any text."""
        outcome = "timeout" if reason == "timeout" else "failed"
        self._handshakes.add("none", "peer_left" if reason in _LEFT else outcome)

    def edge_refused(self, kind: str) -> None:
        self._edge.add(kind)


class AuthorityMetrics(_Measured):
    """Of the authority; from its loop."""

    def __init__(self, numbers: Numbers, page: Page) -> None:
        super().__init__(numbers, page)
        self.committed: Callable[[int], None] = self._histogram(families.COMMIT_SECONDS).observe
        """How long a commit took (nanoseconds)."""
        self.ran: Callable[[int], None] = self._histogram(families.BATCH_ORDERS).observe
        """How many orders one transaction had."""
        self.called = self._counters_by_issuer(families.ISSUER_CALLS).add
        """Issuer, call and outcome: one of ``CALLS`` and of ``CALL_OUTCOMES``."""
        self._seconds = histograms(page, numbers.layout, families.ISSUER_SECONDS)

    def has_issuer(self, issuer_id: str) -> None:
        """An issuer of the store, which has series of its own from now on."""
        self._late.take(issuer_id)

    def took(self, issuer_id: str, nanoseconds: int) -> None:
        """A call of a CA outside has ended."""
        seconds = self._seconds.get((issuer_id,))
        if seconds is not None:
            seconds.observe(nanoseconds)


class JobsMetrics(_Measured):
    """Of the jobs process; from the thread that delivers events."""

    def __init__(self, numbers: Numbers, page: Page) -> None:
        super().__init__(numbers, page)
        self.attempted = self._counters(families.DELIVERIES).add
        """Channel and outcome, one of ``DELIVERY_OUTCOMES``."""


class TreeMetrics(_Measured):
    """Of the supervisor: its children by name. One that is not foreseen counts nowhere."""

    def __init__(self, numbers: Numbers, page: Page) -> None:
        super().__init__(numbers, page)
        self._starts = self._counters(families.PROCESS_STARTS)
        self._up = {
            name: Gauge(page, place)
            for (name,), place in numbers.layout.places(families.PROCESS_UP).items()
        }

    def started(self, name: str) -> None:
        self._starts.add(name)

    def is_up(self, name: str, *, up: bool) -> None:
        if name in self._up:
            self._up[name].set(int(up))
