"""Partitions of CRLs on a PostgreSQL store that several nodes share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from certctl.domain.crl_partitions import CrlPartition
from certctl.settings.env import load_settings
from certctl.store import open_records, open_writable
from certctl.wiring.clock import system_clock
from certctl.wiring.crl_partitions import open_partitions
from certctl.wiring.ids import new_ids
from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.nodes import node, second_node
from tests.harness.postgres import PrivatePostgres
from tests.harness.published import (
    CRL_SECONDS,
    PKI,
    PlainPort,
    eventually,
    publishing_settings,
    revoke,
)
from tests.harness.server import RunningServer, free_port

PASSWORD = "two-nodes-password-1"


class Nodes(NamedTuple):
    one: RunningServer
    two: RunningServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres) -> Iterator[Nodes]:
    """Each publishes at a place of its own, as it must not be for long; and the second, which
    starts later, takes the partitions of the first for left.
    """
    directory = tmp_path_factory.mktemp("nodes")
    settings = publishing_settings(PlainPort(port=free_port()), PASSWORD) | {
        "PUBLIC_URL": "https://pki.example.com",
        "CRL_DEBOUNCE": "1s",
        "CRL_PARTITIONS": "2",
    }
    one = node(directory / "one", postgres.migrated(), settings)
    with one:
        two = second_node(one, directory / "two")
        two.environment["CERTCTL_PKI_HTTP_PORT"] = str(free_port())
        two.environment["CERTCTL_CRL_PARTITIONS"] = "3"
        with two:
            yield Nodes(one, two)


def test_each_serves_the_partitions_of_the_other(nodes: Nodes, tmp_path: Path):
    paths = {}
    for server in nodes:
        device = Device(tmp_path, f"device-{server.port}")
        path = "/.well-known/est/corp/simpleenroll"
        assert device.enroll(server, path, password=PASSWORD).status == 200
        certificate = device.certificate
        assert certificate is not None
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        names = points[0].full_name or []
        paths[certificate.serial_number] = str(names[0].value).partition(PKI)[2]
        revoke(server, certificate.serial_number)
    first, second = (int(path[len("/crls/iss-local/") : -len(".crl")]) for path in paths.values())
    assert first in (1, 2)
    assert second in (3, 4, 5)
    for server in nodes:
        for serial, path in paths.items():
            eventually(partial(lists, server, path, serial), CRL_SECONDS)


def lists(server: RunningServer, path: str, serial: int) -> bool:
    answer = fetch(server, "GET", PKI + path)
    if answer.status != 200:
        return False
    crl = x509.load_der_x509_crl(answer.body)
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_nodes_that_start_at_the_same_moment_agree(postgres: PrivatePostgres):
    url = postgres.migrated()
    settings = load_settings(
        {
            "CERTCTL_DATABASE_URL": url,
            "CERTCTL_PUBLIC_URL": "https://pki.example.com",
            "CERTCTL_PKI_HTTP_PORT": "8080",
            "CERTCTL_CRL_PARTITIONS": "16",
        },
        None,
        check_files=False,
    )
    barrier = threading.Barrier(4)
    found: list[tuple[CrlPartition, ...]] = []

    def start(name: str) -> None:
        store = open_writable(url, node=name)
        barrier.wait(30)
        found.append(
            open_partitions(settings, store, clock=system_clock, new_id=new_ids(system_clock))
        )
        store.close()

    threads = [threading.Thread(target=start, args=(f"node-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    base = "http://pki.example.com:8080/.well-known/pki"
    wanted = tuple(CrlPartition(number=number, base=base) for number in range(1, 17))
    assert found == [wanted] * 4
    records = open_records(url)
    assert tuple(records.crl_partitions()) == wanted
    assert len(records.events()) == 1
    records.close()
