"""Partitions of the CRL of a real store and CA, as openssl and pkilint understand them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.commands import DropCrlParts, PutCrlPart, SignCrl
from certctl.authority.crl_partitions import settle
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import crl_scope
from certctl.domain.crl_partitions import CrlPartition
from certctl.domain.errors import CrlRefused
from certctl.domain.ports import SignedCertificate
from certctl.jobs.crl import CrlJob, DeltaCrls
from certctl.jobs.loop import JobLoop
from certctl.wire.crl import CrlFields, encode_tbs
from certctl.wire.pointers import Pointers
from tests.contract.samples import certificate
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import order
from tests.unit.issuers.test_local_sign import sign as issue
from tests.unit.jobs.crl_node import (
    HOUR_US,
    ISSUER,
    START_US,
    TIMES,
    Node,
    put,
    retention,
    sign,
    taken,
)

BASE = "http://pki.example.org/.well-known/pki"
PARTS = tuple(CrlPartition(number=number, base=BASE) for number in (1, 2, 3))
URLS = {each.number: each.url(ISSUER) for each in PARTS}
WHOLE = f"{BASE}/crls/{ISSUER}.crl"
DELTA = DeltaCrls(url=f"{BASE}/delta/{ISSUER}.crl", interval_us=600 * SECOND_US)


def scope(number: int) -> str:
    return crl_scope(ISSUER, partition=number)


class PartedNode(Node):
    """Three partitions on record. ``issue`` puts certificates into them by turns."""

    delta: DeltaCrls | None = None

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.settle(3)

    def settle(self, wanted: int, base: str = BASE) -> list[int]:
        """A start with that setting; gives the partitions in use."""
        with self.store.transaction() as transaction:
            used, event = settle(transaction, base=base, wanted=wanted, now_us=self.now_us)
        self.event = event
        self.divide()
        return [each.number for each in used]

    def divide(self) -> None:
        rows = [each for each in self.records.crl_partitions() if each.is_published]
        self.job.divide({each.number: each.url(ISSUER) for each in rows})

    def restart(self) -> None:
        self.job = CrlJob(
            ISSUER,
            self.ca.crl_issuer,
            TIMES,
            records=self.records,
            caller=self,
            delta=self.delta,
            clock=lambda: self.now_us,
            on_published=lambda crl, _took_us: self.published.append(crl),
        )
        self.divide()
        self.loop = JobLoop(
            [self.job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda _, fault: self.told.append(fault),
        )

    def issue(self, *numbers: int, not_after_us: int = START_US + 90 * DAY_US) -> None:
        """Number 1 comes into partition 1, 4 as well; those from 100 on into none."""
        with self.store.transaction() as transaction:
            transaction.record_certificates(
                [
                    certificate(
                        number,
                        not_after_us=not_after_us,
                        crl_partition=None if number >= 100 else 1 + (number - 1) % 3,
                    )
                    for number in numbers
                ]
            )

    def lists(self) -> list[set[int]]:
        return [self.listed(scope(number)) for number in (1, 2, 3)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PartedNode]:
    node = PartedNode(tmp_path)
    yield node
    node.records.close()
    node.store.close()
    assert node.told == []


def test_together_they_list_what_the_full_crl_lists_of_theirs(node: PartedNode):
    node.issue(*range(1, 10), 100, 101)
    node.loop.tick()
    assert (node.listed(), node.lists()) == (set(), [set(), set(), set()])
    for number in (1, 3, 4, 6, 9, 100):
        node.revoke(number)
    node.pass_time(12)
    assert node.lists() == [{1, 4}, set(), {3, 6, 9}]
    assert node.listed() == {1, 3, 4, 6, 9, 100}
    assert set.union(*node.lists()) == {each for each in node.listed() if each < 100}


def test_each_says_where_it_is_and_the_full_crl_says_nothing(node: PartedNode):
    node.loop.tick()
    for number, url in URLS.items():
        point = node.crl(scope(number)).extensions.get_extension_for_class(
            x509.IssuingDistributionPoint
        )
        assert point.critical
        assert point.value == x509.IssuingDistributionPoint(
            full_name=[x509.UniformResourceIdentifier(url)],
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        )
    with pytest.raises(x509.ExtensionNotFound):
        node.crl().extensions.get_extension_for_class(x509.IssuingDistributionPoint)


def test_a_revocation_makes_its_partition_and_the_full_crl_anew(node: PartedNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [1, 1, 1]
    node.revoke(2, "certificateHold")
    node.pass_time(12)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [1, 2, 1]
    assert node.number() == 2
    node.jump(HOUR_US)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [2, 3, 2], "all in their time"
    node.revoke(2, "keyCompromise")
    node.pass_time(12)
    assert [node.number(scope(each)) for each in (1, 2, 3)] == [2, 4, 2]
    (entry,) = node.crl(scope(2))
    assert next(iter(entry.extensions)).value == x509.CRLReason(x509.ReasonFlags.key_compromise)


def test_a_kill_between_two_lists_forgets_no_revocation(node: PartedNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    for number in (1, 2, 3):
        node.revoke(number)
    execute = node.execute

    def dies(command: Any, answer: type[Any]) -> Any:
        if isinstance(command, PutCrlPart) and command.partition == 3:
            raise KeyboardInterrupt
        return execute(command, answer)

    node.execute = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    assert node.lists() == [{1}, {2}, set()]
    del node.execute
    node.restart()
    node.pass_time(60)
    assert node.lists() == [{1}, {2}, {3}]
    assert node.listed() == {1, 2, 3}


def test_a_revocation_while_lists_are_made_is_not_forgotten(node: PartedNode):
    """Its partition has been made, the full CRL has not."""
    node.issue(1, 2, 3)
    node.loop.tick()
    node.revoke(3)
    execute = node.execute

    def meanwhile(command: Any, answer: type[Any]) -> Any:
        result = execute(command, answer)
        if isinstance(command, SignCrl) and command.partition == 3:
            node.revoke(1)
        return result

    node.execute = meanwhile  # type: ignore[method-assign]
    node.pass_time(12)
    del node.execute
    assert node.listed() == {1, 3}
    assert node.lists() == [set(), set(), {3}]
    node.pass_time(12)
    assert node.lists() == [{1}, set(), {3}]


def test_an_expired_one_leaves_after_one_more_scheduled_list_of_its_own(node: PartedNode):
    node.issue(1, not_after_us=node.now_us + HOUR_US)
    node.issue(2)
    node.loop.tick()
    node.revoke(1)
    node.jump(HOUR_US + 5 * SECOND_US)
    assert node.listed(scope(1)) == {1}
    assert certificate(1).id in retention(node)
    node.jump(HOUR_US)
    assert node.listed(scope(1)) == set()
    assert retention(node) == {certificate(2).id}


def test_with_delta_crls_partitions_still_follow_each_revocation(tmp_path: Path):
    class Both(PartedNode):
        delta = DELTA

    node = Both(tmp_path)
    node.issue(1, 2, 3)
    node.loop.tick()
    full = node.number()
    node.revoke(1)
    node.pass_time(12)
    assert (node.listed(), node.lists()) == (set(), [{1}, set(), set()])
    assert node.number() == full, "the full one waits for its time"
    assert node.listed(crl_scope(ISSUER, delta=True)) == {1}
    assert [each.oid.dotted_string for each in node.crl(scope(1)).extensions] == [
        *("2.5.29.35", "2.5.29.20", "2.5.29.28"),
    ]
    node.records.close()
    node.store.close()
    assert node.told == []


def test_more_partitions_later_and_fewer_and_none(node: PartedNode):
    assert node.settle(5) == [1, 2, 3, 4, 5]
    assert node.event is not None
    assert node.event.details == {"what": "partitions of CRLs", "added": ["4", "5"]}
    node.loop.tick()
    assert node.number(scope(5)) == 1
    assert node.settle(6)[-1] == 6
    node.pass_time(1)
    assert node.number(scope(6)) == 2, "a restore to before cannot lead to the same again"
    node.issue(1, 2, 3)
    node.revoke(3)
    node.pass_time(12)
    assert node.settle(2) == [1, 2]
    assert node.event is not None
    assert node.event.details["left"] == ["3", "4", "5", "6"]
    assert node.settle(2) == [1, 2]
    assert node.event is None, "nothing has changed"
    assert node.settle(0) == []
    node.jump(HOUR_US)
    assert node.lists() == [set(), set(), {3}], "what is on record is published"
    assert node.settle(3) == [1, 2, 3]
    assert node.event is not None
    assert node.event.details["resumed"] == ["1", "2", "3"]


def test_at_another_place_there_are_other_partitions(node: PartedNode):
    """Certificates name the old place for good, and so do the CRLs of their partitions."""
    other = "http://other.example.org/.well-known/pki"
    assert node.settle(2, other) == [4, 5]
    node.loop.tick()
    for number, base in ((1, BASE), (4, other)):
        found = node.crl(scope(number)).extensions.get_extension_for_class(
            x509.IssuingDistributionPoint
        )
        url = f"{base}/crls/{ISSUER}/{number}.crl"
        assert found.value.full_name == [x509.UniformResourceIdentifier(url)]
    assert node.settle(3) == [1, 2, 3]


def test_a_partition_ends_when_all_of_it_has_expired_and_left_its_list(node: PartedNode):
    def published() -> list[int]:
        return [each.number for each in node.records.crl_partitions() if each.is_published]

    node.issue(1, 2, not_after_us=node.now_us + 2 * HOUR_US)
    node.issue(3)
    node.loop.tick()
    node.revoke(1)
    node.settle(0)
    node.jump(2 * HOUR_US + 5 * SECOND_US)
    node.settle(0)
    assert published() == [1, 2, 3], "expired, and still listed"
    node.jump(HOUR_US)
    node.jump(HOUR_US)
    assert node.listed(scope(1)) == set()
    node.settle(0)
    assert node.event is not None
    assert node.event.details == {"what": "partitions of CRLs", "ended": ["1", "2"]}
    assert published() == [3], "of which one is valid"
    assert node.settle(2) == [1, 2]
    assert published() == [1, 2, 3]
    node.loop.tick()
    assert node.number(scope(1)) > 1, "no number is given twice"


def test_one_that_another_node_goes_on_with_does_not_end(node: PartedNode):
    node.loop.tick()
    node.settle(0)
    node.issue(1, not_after_us=node.now_us + 9 * HOUR_US)
    node.jump(HOUR_US)
    node.jump(HOUR_US)
    node.settle(0)
    found = {each.number: each for each in node.records.crl_partitions()}
    assert found[1].is_published
    assert not found[2].is_published
    node.settle(0)
    assert {each.number: each for each in node.records.crl_partitions()}[1].is_published


@pytest.mark.parametrize(
    ("partition", "point", "other", "reason"),
    [
        (1, URLS[2], {}, "distribution_point"),
        (1, None, {}, "distribution_point"),
        (1, WHOLE, {}, "distribution_point"),
        (1, f"{BASE}/crls/other/1.crl", {}, "distribution_point"),
        (1, URLS[1] + "?", {}, "distribution_point"),
        (None, URLS[1], {}, "distribution_point"),
        (1, URLS[1], {"base_number": 1}, "malformed"),
        (9, f"{BASE}/crls/{ISSUER}/9.crl", {}, "partition"),
        (0, f"{BASE}/crls/{ISSUER}/0.crl", {}, "partition"),
        (-1, f"{BASE}/crls/{ISSUER}/-1.crl", {}, "partition"),
        (1, URLS[1], {"number": 1}, "number"),
        (1, URLS[1], {"this_update_us": START_US - DAY_US}, "dates"),
    ],
)
def test_a_lie_about_the_partition_is_not_signed(
    node: PartedNode,
    partition: int | None,
    point: str | None,
    other: dict[str, Any],
    reason: str,
):
    """The jobs process encodes what it likes; the authority reads the very octets."""
    node.loop.tick()
    before = [node.crl(each) for each in (ISSUER, scope(1), scope(2))]
    fence = taken(node)
    fields: dict[str, Any] = {
        "number": 2,
        "this_update_us": node.now_us,
        "next_update_us": node.now_us + DAY_US,
        "distribution_point": point,
        **other,
    }
    tbs = encode_tbs(node.ca.crl_issuer, CrlFields(**fields), ())

    def attempt() -> None:
        put(node, tbs, fence=fence, number=fields["number"], partition=partition)
        sign(node, fence=fence, number=fields["number"], partition=partition)

    with pytest.raises(CrlRefused) as refused:
        attempt()
    assert refused.value.reason == reason
    assert [node.crl(each) for each in (ISSUER, scope(1), scope(2))] == before
    assert node.records.crl(f"{ISSUER}/9") is None


def test_a_draft_of_one_partition_is_not_signed_as_another(node: PartedNode):
    node.loop.tick()
    fence = taken(node)
    fields = CrlFields(
        number=2,
        this_update_us=node.now_us,
        next_update_us=node.now_us + DAY_US,
        distribution_point=URLS[1],
    )
    put(node, encode_tbs(node.ca.crl_issuer, fields, ()), fence=fence, number=2, partition=1)
    for partition in (2, None):
        with pytest.raises(CrlRefused, match="malformed"):
            sign(node, fence=fence, number=2, partition=partition)
    sign(node, fence=fence, number=2, partition=1)
    assert node.number(scope(1)) == 2


def test_there_is_no_delta_crl_of_a_partition_and_nothing_of_one_that_ended(node: PartedNode):
    node.loop.tick()
    fence = taken(node)
    with pytest.raises(CrlRefused, match="partition"):
        put(node, b"0", fence=fence, number=2, partition=1, delta=True)
    node.settle(0)
    for _ in range(2):
        node.jump(HOUR_US)
    node.settle(0)
    fence = taken(node)
    with pytest.raises(CrlRefused, match="partition"):
        put(node, b"0", fence=fence, number=9, partition=1)
    drop = DropCrlParts(fence=fence, issuer_id=ISSUER, partition=1)
    with pytest.raises(CrlRefused, match="partition"):
        node.execute(drop, object)


class Issued:
    """A certificate of the CA that knows the partitions, on record as the server does it."""

    def __init__(self, node: PartedNode, directory: Path) -> None:
        self.node, self.directory = node, directory
        pointers = Pointers(
            crl_url=WHOLE,
            freshest_url=DELTA.url,
            partition_urls=tuple(URLS.items()),
        )
        self.ca = node._ca(directory, ISSUER, pointers)
        spki = ec.generate_private_key(ec.SECP256R1()).public_key()
        spki_der = spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.spki_der = spki_der
        self.signed = self.made()
        record = certificate(
            1,
            serial=self.signed.serial,
            der=self.signed.der,
            not_after_us=self.signed.not_after_us,
            crl_partition=self.signed.crl_partition,
        )
        with node.store.transaction() as transaction:
            transaction.record_certificates([record])
        root = x509.load_der_x509_certificate(self.ca.ca_chain()[0])
        (directory / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
        leaf = x509.load_der_x509_certificate(self.signed.der)
        (directory / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))

    def made(self) -> SignedCertificate:
        signed: SignedCertificate = issue(
            self.ca, order(spki_der=self.spki_der), now_us=self.node.now_us
        )
        return signed

    def judged(self, crl: x509.CertificateRevocationList) -> str:
        path = self.directory / "crl.pem"
        path.write_bytes(crl.public_bytes(Encoding.PEM))
        ended = subprocess.run(
            [
                *("openssl", "verify", "-attime", str(self.node.now_us // SECOND_US)),
                *("-crl_check", "-extended_crl", "-CAfile", str(self.directory / "root.pem")),
                *("-CRLfile", str(path), str(self.directory / "leaf.pem")),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ended.stdout + ended.stderr


def test_openssl_takes_the_list_of_its_own_partition_and_no_other(node: PartedNode, tmp_path: Path):
    issued = Issued(node, tmp_path)
    own = issued.signed.crl_partition
    assert own is not None
    node.loop.tick()
    for name in (scope(own), ISSUER):
        assert "leaf.pem: OK" in issued.judged(node.crl(name))
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    for name in (scope(own), ISSUER):
        assert "certificate revoked" in issued.judged(node.crl(name))
    for other in {1, 2, 3} - {own}:
        said = issued.judged(node.crl(scope(other)))
        assert "different CRL scope" in said or "unable to get certificate CRL" in said
        assert "leaf.pem: OK" not in said


def test_pkilint_finds_nothing_in_certificate_and_list(node: PartedNode, tmp_path: Path):
    issued = Issued(node, tmp_path)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(12)
    own = issued.signed.crl_partition
    assert own is not None
    der = node.crl(scope(own)).public_bytes(Encoding.DER)
    assert findings("lint_crl", der, tmp_path, "-t", "CRL", "-p", "PKIX") == ""
    assert findings("lint_pkix_cert", issued.signed.der, tmp_path) == ""
    extensions = x509.load_der_x509_certificate(issued.signed.der).extensions
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (point,) = points
    assert point.full_name == [x509.UniformResourceIdentifier(URLS[own])]
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.FreshestCRL)


def test_certificates_come_into_all_partitions_alike(node: PartedNode, tmp_path: Path):
    issued = Issued(node, tmp_path)
    count = dict.fromkeys(URLS, 0)
    for _ in range(90):
        number = issued.made().crl_partition
        assert number is not None
        count[number] += 1
    # Less than 10 of 30 expected: once in 600,000 runs.
    assert min(count.values()) >= 10, count
