"""Two servers on one PostgreSQL: what they share, and what happens when one is gone."""

from __future__ import annotations

import json
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.lease import Lease
from certctl.domain.lockout import LockoutRule
from tests.harness.api import first_key
from tests.harness.device import Device
from tests.harness.http import basic
from tests.harness.nodes import SHARED, command, node, second_node
from tests.harness.pages import Visitor
from tests.harness.postgres import PASSWORD as DATABASE_PASSWORD
from tests.harness.postgres import PrivatePostgres
from tests.harness.raw import Answer, RawClient, new_source, post
from tests.harness.replacing import replace
from tests.harness.server import RunningServer

PASSWORD = "corp-password-0001"
LIMIT = 3
WAIT_SECONDS = 30.0
PATH = "/.well-known/est/corp/"
RULED = "/.well-known/est/ruled/simpleenroll"
SETTINGS = {
    "EST_PROFILES": "corp,ruled",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
    "EST_PROFILE_CORP_RATE_LIMIT_PER_PRINCIPAL_24H": str(LIMIT),
    "EST_PROFILE_RULED_ISSUER_ID": "iss-local",
    "EST_PROFILE_RULED_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_RULED_ENROLLMENT_PASSWORD": PASSWORD,
    "EST_PROFILE_RULED_PROFILE_ID": "shared",
}


class Nodes(NamedTuple):
    one: RunningServer
    two: RunningServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, postgres: PrivatePostgres) -> Iterator[Nodes]:
    directory = tmp_path_factory.mktemp("nodes")
    urls = postgres.as_documented()
    one = node(directory / "one", urls.writer, SETTINGS | {"DATABASE_READ_URL": urls.reader})
    one.ca_file.parent.mkdir(mode=0o700)
    one.launch()
    assert one.process.wait(WAIT_SECONDS) == 2
    assert "run certctl-server migrate" in one.log()
    owner = replace(one, environment=one.environment | {"CERTCTL_DATABASE_URL": urls.owner})
    for said in ("Migrated from schema none", "already: nothing to do"):
        done = command(owner, "migrate")
        assert (done.returncode, said in done.stdout) == (0, True), done.stderr
    rules = directory / "shared.toml"
    rules.write_text("max_ttl_seconds = 2_592_000")
    done = command(one, "profiles", "put", str(rules))
    assert done.returncode == 0, done.stderr
    with one:
        two = second_node(one, directory / "two")
        with two:
            yield Nodes(one, two)


def ask(server: RunningServer, device: Device, source: str, password: str = PASSWORD) -> Answer:
    line = "Authorization: " + basic("device", password)["Authorization"]
    with RawClient(server, source=source) as client:
        client.send(post(PATH + "simpleenroll", device.csr().public_bytes(Encoding.DER), line))
        return client.answer()


def at_once(*asked: Callable[[], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(len(asked)) as pool:
        return [each.result() for each in [pool.submit(one) for one in asked]]


def eventually(found: Callable[[], bool], server: RunningServer) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not found():
        assert time.monotonic() < deadline, server.log()[-4_000:]
        time.sleep(0.05)


def test_a_limit_hit_at_both_at_once_allows_so_many_in_all(nodes: Nodes, tmp_path: Path) -> None:
    source = new_source()
    before = nodes.one.records().counts()
    devices = [Device(tmp_path, "crowd") for _ in range(12)]
    answers = at_once(
        *(
            lambda server=nodes[n % 2], device=device: ask(server, device, source)
            for n, device in enumerate(devices)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] * LIMIT + [429] * 9
    key = ("corp", Counter.RATE_LIMITED)

    def counted() -> bool:
        return nodes.one.records().counts()[key] - before.get(key, 0) == 9

    eventually(counted, nodes.one)


def test_wrong_passwords_at_both_are_counted_together(nodes: Nodes, tmp_path: Path) -> None:
    source, rule = new_source(), LockoutRule()
    device = Device(tmp_path, "guesser")
    tries = 2 * rule.failures
    answers = at_once(
        *(
            lambda server=nodes[n % 2]: ask(server, device, source, "wrong-password-00")
            for n in range(tries)
        )
    )
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [401] * rule.failures + [429] * (tries - rule.failures)
    for server in nodes:
        assert ask(server, device, source).status == 429
    assert ask(nodes.one, device, new_source()).status == 200


def test_the_same_request_to_both_at_once_has_one_certificate(nodes: Nodes, tmp_path: Path) -> None:
    for number in range(8):
        source = new_source()
        device = Device(tmp_path, f"twice-{number}")
        csr = post(
            PATH + "simpleenroll",
            device.csr().public_bytes(Encoding.DER),
            "Authorization: " + basic("device", PASSWORD)["Authorization"],
        )

        def send(server: RunningServer, request: bytes = csr, source: str = source) -> Answer:
            with RawClient(server, source=source) as client:
                client.send(request)
                return client.answer()

        answers = at_once(*(lambda server=server: send(server) for server in nodes))
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[0].body == answers[1].body


def test_revoked_at_one_it_is_refused_at_the_other_at_once(nodes: Nodes, tmp_path: Path) -> None:
    device = Device(tmp_path, "lost")
    assert device.enroll(nodes.one, PATH + "simpleenroll", password=PASSWORD).status == 200
    assert device.certificate is not None
    renewed = device.enroll(nodes.two, PATH + "simplereenroll", with_certificate=True)
    assert renewed.status == 200
    serial = f"{device.certificate.serial_number:x}"
    done = command(nodes.one, "certificates", "revoke", serial, "--reason", "keyCompromise")
    assert done.returncode == 0, done.stderr
    for server in (nodes.two, nodes.one):
        refused = device.enroll(server, PATH + "simplereenroll", with_certificate=True)
        assert (refused.status, b"revoked" in refused.body) == (401, True)


def test_a_form_of_the_pages_sent_to_both_at_once_makes_one_key(nodes: Nodes) -> None:
    root = first_key(nodes.one, "of-the-pages")
    for number in range(4):
        name = f"pressed-{number}"
        visitor = Visitor(nodes.one)
        assert visitor.log_in(root).status == 303
        # The session and the token of the form are as good at the other.
        both = [visitor, Visitor(nodes.two, visitor.token)]
        form = re.search(r'name="once" value="(\w+)"', visitor.get("/keys").text)
        assert form is not None
        fields = {"once": form[1], "name": name, "role": "viewer"}
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(each.post, "/keys", fields) for each in both * 2]
            told = [each.result() for each in sent]
        assert [each.status for each in told] == [200] * 4
        assert sum("has been made already" in each.text for each in told) == 3
        assert sum('data-testid="new-key"' in each.text for each in told) == 1
        kept = [each.name for each in nodes.two.records().api_keys()]
        assert kept.count(name) == 1


def test_rules_put_at_one_are_obeyed_by_the_other(nodes: Nodes, tmp_path: Path) -> None:
    """Its authority as well, which asks the store itself: a lifetime is nobody else's."""

    def days() -> int:
        device = Device(tmp_path, f"ruled-{secrets.token_hex(4)}")
        answer = device.enroll(nodes.two, RULED, password=PASSWORD)
        assert (answer.status, device.certificate is not None) == (200, True)
        assert device.certificate is not None
        return (
            device.certificate.not_valid_after_utc - device.certificate.not_valid_before_utc
        ).days

    assert days() == 30
    rules = tmp_path / "shared.toml"
    rules.write_text("max_ttl_seconds = 604_800")
    done = command(nodes.one, "profiles", "put", str(rules))
    assert json.loads(done.stdout) == {"id": "shared", "version": 2}, done.stderr
    eventually(lambda: days() == 7, nodes.two)


def test_both_chains_are_verified_and_sealed_together(nodes: Nodes) -> None:
    records = nodes.one.records()
    heads = records.chain_heads()
    assert len(heads) == 2
    for server in nodes:
        name = server.ca_file.with_name("node").read_text().strip()
        assert name in {head.node for head in heads}
        proved = command(server, "audit", "verify")
        assert proved.returncode == 0, proved.stdout + proved.stderr
    own = {
        (each.event.action, each.node)
        for head in heads
        for each in records.events(node=head.node, limit=1_000)
    }
    for head in heads:
        assert (AuditAction.SIMPLE_ENROLL_SUCCESS, head.node) in own
    records.close()


def test_cert_check_reads_what_both_have_written(
    nodes: Nodes, tmp_path: Path, postgres: PrivatePostgres
) -> None:
    devices = [Device(tmp_path, f"checked-{n}") for n in range(3)]
    for number, device in enumerate(devices):
        server = nodes[number % 2]
        assert device.enroll(server, PATH + "simpleenroll", password=PASSWORD).status == 200
    serials = [f"{d.certificate.serial_number:x}" for d in devices if d.certificate]
    # A hold that one node places and the other takes back.
    for server, *words in (
        (nodes.one, "revoke", serials[0], "--reason", "certificateHold"),
        (nodes.two, "release", serials[0]),
        (nodes.two, "bulk-revoke", "--serial", serials[1], "--reason=superseded", "--yes"),
    ):
        done = command(server, "certificates", *words)
        assert done.returncode == 0, done.stderr
    whole = command(nodes.two, "cert-check", "--output", "json")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    said = json.loads(whole.stdout)
    assert said["findings"] == []
    assert said["certificates"] >= 3

    url = nodes.one.environment["CERTCTL_DATABASE_URL"].rpartition("/")[2]
    owner = postgres.url(url)
    silent = f"fingerprint = '\\x{_fingerprint(devices[2])}'"
    change = "UPDATE certificates SET status = '{}', revoked_us = {}, revocation_reason = {} WHERE "
    postgres.execute(change.format("revoked", "issued_us + 1", "'superseded'") + silent, owner)
    try:
        found = command(nodes.one, "cert-check")
    finally:
        postgres.execute(change.format("valid", "NULL", "NULL") + silent, owner)
    assert found.returncode == 8, found.stdout + found.stderr
    assert "revoked, and no audit event tells of it" in found.stdout
    assert f"{serials[2]}" in found.stdout


def _fingerprint(device: Device) -> str:
    assert device.certificate is not None
    return device.certificate.fingerprint(hashes.SHA256()).hex()


def test_a_backup_leaves_the_database_to_postgresql(nodes: Nodes, tmp_path: Path) -> None:
    """And takes what only the node has, its name in the trail included."""
    refused = command(nodes.one, "backup", str(tmp_path / "whole.backup"))
    assert (refused.returncode, "pg_dump" in refused.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
    taken = command(nodes.one, "backup", "--keys-only", str(tmp_path / "keys.backup"))
    assert taken.returncode == 0, taken.stderr

    third = second_node(nodes.one, tmp_path / "three")
    data = third.ca_file.parent
    for file in data.iterdir():
        file.unlink()
    put = command(third, "restore", str(tmp_path / "keys.backup"))
    assert put.returncode == 0, put.stderr
    original = nodes.one.ca_file.parent
    for name in (*SHARED, "node", "server.key"):
        assert (data / name).read_bytes() == (original / name).read_bytes()
    assert not (data / "run").exists()


def test_a_copied_node_name_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    third = second_node(nodes.one, tmp_path / "three")
    copied = third.ca_file.with_name("node")
    copied.write_text(nodes.one.ca_file.with_name("node").read_text())
    third.launch()
    assert third.process.wait(WAIT_SECONDS) == 2
    assert "another server works as node-" in third.log()
    assert DATABASE_PASSWORD not in third.log()


def test_another_ca_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    third = second_node(nodes.one, tmp_path / "three")
    for name in ("ca-iss-local.key", "ca-iss-local.pem"):
        third.ca_file.with_name(name).unlink()
    third.launch()
    assert third.process.wait(WAIT_SECONDS) == 2
    assert "iss-local" in third.log()
    assert not third.ca_file.exists()


def test_a_new_database_beside_an_old_ca_is_refused_every_time(
    nodes: Nodes, tmp_path: Path, postgres: PrivatePostgres
) -> None:
    third = second_node(nodes.one, tmp_path / "three")
    third.environment["CERTCTL_DATABASE_URL"] = postgres.migrated()
    del third.environment["CERTCTL_DATABASE_READ_URL"]
    for _ in range(2):
        third.launch()
        assert third.process.wait(WAIT_SECONDS) == 2
        assert "all records and revocations would be lost" in third.log()
    rules = tmp_path / "any.toml"
    rules.write_text("")
    done = command(third, "profiles", "put", str(rules))
    assert (done.returncode, "would be lost" in done.stderr) == (1, True)


def test_the_planted_database_password_is_in_no_log(nodes: Nodes) -> None:
    for server in nodes:
        assert DATABASE_PASSWORD not in server.log()


@pytest.mark.slow
def test_jobs_go_on_at_the_other_when_one_is_killed(nodes: Nodes, tmp_path: Path) -> None:
    def lease() -> Lease:
        records = nodes.two.records()
        (found,) = [each for each in records.leases() if each.job == "checkpoint"]
        records.close()
        return found

    nodes.one.process.send_signal(signal.SIGKILL)
    nodes.one.process.wait(WAIT_SECONDS)
    eventually(lambda: not nodes.one.processes().get("authority"), nodes.two)
    jobs = nodes.two.processes()["jobs"][0]
    device = Device(tmp_path, "after")
    before = lease().fence
    assert device.enroll(nodes.two, PATH + "simpleenroll", password=PASSWORD).status == 200

    def taken_over() -> bool:
        held = lease()
        return held.fence > before and f"/{jobs}/" in held.holder and held.until_us == 0

    deadline = time.monotonic() + 100
    while not taken_over():
        assert time.monotonic() < deadline, (lease(), nodes.two.log()[-2_000:])
        time.sleep(0.2)
    proved = command(nodes.two, "audit", "verify")
    assert proved.returncode == 0, proved.stdout + proved.stderr
