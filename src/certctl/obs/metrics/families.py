"""Every metric of ``/metrics``: its name, its labels, what it tells.

Names follow Prometheus's conventions: base units, ``_total`` for what only grows. Label
values come from the settings or from closed sets, never from a peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric with all its series.

    Attributes:
        bounds: of a histogram's buckets, in the unit that is counted.
        scale: so many counted units are one shown unit: times are counted in
            nanoseconds and shown in seconds.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[int, ...] = ()
    scale: int = 1


_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000

_STEP: Final = tuple(
    int(each * _MILLISECOND) for each in (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000)
)
_ANSWER: Final = tuple(
    each * _MILLISECOND for each in (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000)
)
_CALL: Final = tuple(
    each * _MILLISECOND for each in (10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, help=text, labels=labels)


def _seconds(name: str, text: str, bounds: tuple[int, ...], *labels: str) -> Family:
    return Family(
        name=name, kind=Kind.HISTOGRAM, help=text, labels=labels, bounds=bounds, scale=_SECOND
    )


# Counted by the workers.

EST_ANSWERS: Final = _counter(
    "certctl_est_answers_total",
    "Answers of this node to EST requests; outcome is ok, refused, waiting or challenged.",
    "profile",
    "operation",
    "outcome",
    "reason",
)
EST_SECONDS: Final = _seconds(
    "certctl_est_answer_seconds",
    "From the complete header of an EST request to its answer, whatever it is.",
    _ANSWER,
    "operation",
)
STEP_SECONDS: Final = _seconds(
    "certctl_est_step_seconds",
    "Steps of enrollments and renewals, as far as they were passed.",
    _STEP,
    "step",
)
HANDSHAKES: Final = _counter(
    "certctl_tls_handshakes_total",
    "TLS handshakes; version is none where none was agreed on.",
    "version",
    "outcome",
)
EDGE_REFUSED: Final = _counter(
    "certctl_edge_refused_total",
    "What the TLS and HTTP edge refused or ended by itself (log line edge_refused).",
    "kind",
)
CONNECTIONS: Final = _gauge("certctl_connections", "Open connections; a second old at most.")
OCSP_ANSWERS: Final = _counter(
    "certctl_ocsp_answers_total",
    "OCSP answers; outcome is told, refused, unavailable or limited.",
    "issuer",
    "outcome",
)

HTTP_ANSWERS: Final = _counter(
    "certctl_http_answers_total",
    "Answers of the REST API (surface api), the web pages and MCP, by the template of their"
    " path; what leads nowhere, or not with this method, has the route (other).",
    "surface",
    "route",
    "method",
    "status",
)
HTTP_SECONDS: Final = _seconds(
    "certctl_http_answer_seconds",
    "From the complete header of such a request to the beginning of its answer.",
    _ANSWER,
    "surface",
)

# Counted by the authority.

COMMIT_SECONDS: Final = _seconds(
    "certctl_store_commit_seconds",
    "Commits of the authority, until they are durable.",
    _STEP,
)
BATCH_ORDERS: Final = Family(
    name="certctl_store_batch_orders",
    kind=Kind.HISTOGRAM,
    help="Orders that were decided and recorded in one transaction.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
ISSUER_CALLS: Final = _counter(
    "certctl_issuer_calls_total",
    "Calls of issuers: issue (each signature of one whose key is here), find or revoke."
    " Outcome: ok, refused, unavailable, disabled (by an operator), silent, misbehaved or error.",
    "issuer",
    "call",
    "outcome",
)
ISSUER_SECONDS: Final = _seconds(
    "certctl_issuer_call_seconds",
    "How long calls of CAs outside took, whatever came of them.",
    _CALL,
    "issuer",
)

# Counted by the jobs process.

DELIVERIES: Final = _counter(
    "certctl_event_deliveries_total",
    "Attempts to hand an event to a channel; outcome is delivered or failed.",
    "channel",
    "outcome",
)

# Counted by workers and the jobs process.

TRACE_SPANS: Final = _counter(
    "certctl_trace_spans_total",
    "Spans of traces; outcome is exported, failed (the collector did not take them) or"
    " dropped (the queue was full).",
    "outcome",
)

# Counted by the supervisor.

PROCESS_UP: Final = _gauge("certctl_process_up", "1: this process is there and ready.", "process")
PROCESS_STARTS: Final = _counter(
    "certctl_process_starts_total", "How often this process was started.", "process"
)

# Read from the records: the same at every node of an installation.

EST_REQUESTS: Final = _counter(
    "certctl_est_requests_total",
    "The twelve counters of each EST profile, over all nodes; in the records, never reset.",
    "profile",
    "label",
)
REQUESTS_WAITING: Final = _gauge(
    "certctl_requests_waiting", "Requests that wait for approval; counted up to 10,000."
)
INTENTS: Final = _gauge(
    "certctl_intents",
    "Calls of CAs outside that are open, lost or left an orphan; the latter two stay.",
    "status",
)
OUTBOX: Final = _gauge(
    "certctl_outbox_events",
    "Events that wait for a channel or are dead letters.",
    "channel",
    "status",
)
CRL_SINCE: Final = _gauge(
    "certctl_crl_this_update_timestamp_seconds", "thisUpdate of the CRL in force.", "issuer"
)
CRL_UNTIL: Final = _gauge(
    "certctl_crl_next_update_timestamp_seconds", "nextUpdate of the CRL in force.", "issuer"
)
CRL_SIZE: Final = _gauge("certctl_crl_size_bytes", "Octets of the CRL in force.", "issuer")
CRL_PARTITIONS: Final = _gauge(
    "certctl_crl_partitions", "Partitions of the CRL that are published.", "issuer"
)
CRL_PARTITIONS_SINCE: Final = _gauge(
    "certctl_crl_partitions_this_update_timestamp_seconds",
    "thisUpdate of the oldest CRL in force of a partition.",
    "issuer",
)
CRL_PARTITIONS_UNTIL: Final = _gauge(
    "certctl_crl_partitions_next_update_timestamp_seconds",
    "nextUpdate of the CRL of a partition that ends first.",
    "issuer",
)
JOB_RUN: Final = _gauge(
    "certctl_job_last_run_timestamp_seconds", "End of a job's last complete run.", "name"
)
JOB_OK: Final = _gauge("certctl_job_ok", "1: the last complete run of a job went well.", "name")

# Read from files.

CA_UNTIL: Final = _gauge(
    "certctl_ca_not_after_timestamp_seconds",
    "When the first certificate of an issuer's chain expires; of issuers of the store as the"
    " records have it.",
    "issuer",
)
OCSP_UNTIL: Final = _gauge(
    "certctl_ocsp_responder_not_after_timestamp_seconds",
    "When the certificate of an issuer's OCSP responder expires.",
    "issuer",
)
SERVER_UNTIL: Final = _gauge(
    "certctl_server_certificate_not_after_timestamp_seconds",
    "When the listener's own certificate expires.",
)
TRUST_UNTIL: Final = _gauge(
    "certctl_trust_anchor_not_after_timestamp_seconds",
    "When the first anchor of a profile's trust bundle expires.",
    "profile",
)
TRUST_ANCHORS: Final = _gauge(
    "certctl_trust_anchors", "Anchors in force of a profile's trust bundle.", "profile"
)

# Of the node that answers.

STORE_UP: Final = _gauge("certctl_store_up", "1: the records could be read for this answer.")
AUTHORITY_UP: Final = _gauge(
    "certctl_authority_up", "1: the worker that answers is connected to the authority."
)
WORKERS: Final = _gauge("certctl_workers", "Workers that are there and ready.")
WORKERS_WANTED: Final = _gauge("certctl_workers_wanted", "Workers that should be (WORKERS).")
BUILD_INFO: Final = _gauge(
    "certctl_build_info", "Always 1; the labels say what runs.", "version", "python", "openssl"
)

COUNTED: Final[dict[str, tuple[Family, ...]]] = {
    "the workers": (
        EST_ANSWERS,
        EST_SECONDS,
        STEP_SECONDS,
        HANDSHAKES,
        EDGE_REFUSED,
        CONNECTIONS,
        OCSP_ANSWERS,
        HTTP_ANSWERS,
        HTTP_SECONDS,
    ),
    "the authority": (COMMIT_SECONDS, BATCH_ORDERS, ISSUER_CALLS, ISSUER_SECONDS),
    "the jobs process": (DELIVERIES,),
    "workers and the jobs process": (TRACE_SPANS,),
    "the supervisor": (PROCESS_UP, PROCESS_STARTS),
}
"""What processes count, by who does."""

FROM_RECORDS: Final = (
    EST_REQUESTS,
    REQUESTS_WAITING,
    INTENTS,
    OUTBOX,
    CRL_SINCE,
    CRL_UNTIL,
    CRL_SIZE,
    CRL_PARTITIONS,
    CRL_PARTITIONS_SINCE,
    CRL_PARTITIONS_UNTIL,
    JOB_RUN,
    JOB_OK,
)
FROM_FILES: Final = (CA_UNTIL, OCSP_UNTIL, SERVER_UNTIL, TRUST_UNTIL, TRUST_ANCHORS)
OF_THE_NODE: Final = (STORE_UP, AUTHORITY_UP, WORKERS, WORKERS_WANTED, BUILD_INFO)

FAMILIES: Final[tuple[Family, ...]] = (
    *(family for counted in COUNTED.values() for family in counted),
    *FROM_RECORDS,
    *FROM_FILES,
    *OF_THE_NODE,
)
"""Every family, in the order of the answer."""
