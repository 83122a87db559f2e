"""An issuer made at one node of a PostgreSQL store, and used at the other."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest
from cryptography import x509

from certctl.domain.audit import Outcome
from certctl.domain.search import AuditQuery, Page
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device
from tests.harness.http import Response, fetch
from tests.harness.nodes import node, second_node
from tests.harness.postgres import PrivatePostgres
from tests.harness.server import RunningServer

PASSWORD = "two-nodes-password-1"
WAIT_SECONDS = 30.0
LINE = {
    "EST_PROFILES": "line",
    "EST_PROFILE_LINE_ISSUER_ID": "shared",
    "EST_PROFILE_LINE_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_LINE_ENROLLMENT_PASSWORD": PASSWORD,
}


class Nodes(NamedTuple):
    one: RunningServer
    two: RunningServer
    key: str

    def at_one(self) -> ApiClient:
        return ApiClient(self.one, self.key)

    def at_two(self) -> ApiClient:
        return ApiClient(self.two, self.key)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres) -> Iterator[Nodes]:
    """Before either node has an EST profile; ``two`` gets one when the issuer is there."""
    directory = tmp_path_factory.mktemp("nodes")
    config_key = directory / "config.key"
    config_key.write_text("a7" * 32)
    settings = {
        "CONFIG_ENCRYPTION_KEY_FILE": str(config_key),
        "EST_ENABLED": "false",
        "RATE_LIMIT_ENABLED": "false",
    }
    one = node(directory / "one", postgres.migrated(), settings)
    with one:
        two = second_node(one, directory / "two")
        with two:
            yield Nodes(one, two, first_key(one))


def eventually(found: Callable[[], bool], server: RunningServer) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not found():
        assert time.monotonic() < deadline, server.log()[-4_000:]
        time.sleep(0.05)


def published(server: RunningServer, path: str) -> Response:
    return fetch(server, "GET", f"/.well-known/pki{path}")


def enroll(server: RunningServer, device: Device) -> int:
    path = "/.well-known/est/line/simpleenroll"
    return device.enroll(server, path, password=PASSWORD).status


def works(api: ApiClient) -> bool:
    answer = api.send("POST", "/issuers/shared/test", {})
    return answer.status == 200 and json.loads(answer.body)["ok"] is True


def fails(api: ApiClient) -> bool:
    return not works(api)


def has_responder(api: ApiClient) -> bool:
    return api.get("/issuers/shared")["ocsp_responder"] is not None


def is_published(server: RunningServer) -> bool:
    return published(server, "/crl/shared").status == 200


def test_made_at_one_it_is_tried_and_published_at_the_other(nodes: Nodes) -> None:
    nodes.at_one().post("/issuers", {"id": "shared", "key_type": "P-384"})
    eventually(lambda: works(nodes.at_two()), nodes.two)
    for server in nodes[:2]:
        eventually(partial(is_published, server), server)
    found = {published(server, "/ca/shared.crt").body for server in nodes[:2]}
    assert len(found) == 1
    for api in (nodes.at_one(), nodes.at_two()):
        eventually(partial(has_responder, api), api.server)


def test_the_other_node_issues_by_it_after_its_profile_names_it(nodes: Nodes) -> None:
    nodes.two.stop()
    nodes.two.environment |= {f"CERTCTL_{name}": text for name, text in LINE.items()}
    nodes.two.environment["CERTCTL_EST_ENABLED"] = "true"
    nodes.two.start()
    device = Device(nodes.two.directory, "arm-1")
    assert enroll(nodes.two, device) == 200
    assert device.certificate is not None
    ca = x509.load_der_x509_certificate(published(nodes.one, "/ca/shared.crt").body)
    device.certificate.verify_directly_issued_by(ca)
    (row,) = [
        each
        for each in nodes.at_one().get("/certificates")["data"]
        if each["subject"] == "CN=arm-1"
    ]
    assert row["issuer_id"] == "shared"


def test_disabled_at_one_it_issues_nothing_at_the_other(nodes: Nodes) -> None:
    tries = itertools.count()

    def answered(status: int) -> bool:
        return enroll(nodes.two, Device(nodes.two.directory, f"b-{next(tries)}")) == status

    nodes.at_one().send("PATCH", "/issuers/shared", {"enabled": False})
    eventually(lambda: answered(503), nodes.two)
    assert published(nodes.two, "/crl/shared").status == 200
    nodes.at_two().send("PATCH", "/issuers/shared", {"enabled": True})
    eventually(lambda: answered(200), nodes.two)
    assert nodes.at_one().get("/issuers/shared")["version"] == 3


def test_of_two_changes_of_one_version_the_second_is_refused(nodes: Nodes) -> None:
    body = {"display_name": "mine", "expected_version": 3}
    answers = [
        api.send("PATCH", "/issuers/shared", body | {"display_name": f"of {number}"}).status
        for number, api in enumerate((nodes.at_one(), nodes.at_two()))
    ]
    assert sorted(answers) == [200, 409]


def test_a_row_swapped_under_running_nodes_is_refused_by_both(
    nodes: Nodes, postgres: PrivatePostgres
) -> None:
    """As somebody with the database would: another issuer's key under this one's name."""
    nodes.at_one().post("/issuers", {"id": "other"})
    url = nodes.one.environment["CERTCTL_DATABASE_URL"]
    postgres.execute(
        """UPDATE issuers SET version = version + 1,
        sealed = (SELECT sealed FROM issuers WHERE id = 'other') WHERE id = 'shared'""",
        url,
    )
    for api in (nodes.at_one(), nodes.at_two()):
        eventually(partial(fails, api), api.server)
        told = api.post("/issuers/shared/test", {})
        assert "another issuer" in told["problem"]
    assert enroll(nodes.two, Device(nodes.two.directory, "victim")) == 503
    events = nodes.one.records().audit_page(AuditQuery(action="issuer_tested"), Page())
    assert events.rows[0].event.outcome is Outcome.FAILURE
