"""What the authority signs as the list of a partition, and how openssl and pkilint read it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.commands import DropCrlParts
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import CrlRefused
from certctl.domain.ports import SignedCertificate
from certctl.wire.crl import CrlFields, encode_tbs
from certctl.wire.pointers import Pointers
from tests.contract.samples import certificate
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import order
from tests.unit.issuers.test_local_sign import sign as issue
from tests.unit.jobs.crl_node import HOUR_US, ISSUER, START_US, put, sign, taken
from tests.unit.jobs.parted_node import BASE, DELTA, URLS, WHOLE, PartedNode, scope


@pytest.fixture
def node(tmp_path: Path) -> Iterator[PartedNode]:
    node = PartedNode(tmp_path)
    yield node
    node.records.close()
    node.store.close()
    assert node.told == []


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

    def judged(self, crl: x509.CertificateRevocationList, *options: str) -> str:
        path = self.directory / "crl.pem"
        path.write_bytes(crl.public_bytes(Encoding.PEM))
        ended = subprocess.run(
            [
                *("openssl", "verify", "-attime", str(self.node.now_us // SECOND_US)),
                *("-crl_check", *options, "-CAfile", str(self.directory / "root.pem")),
                *("-CRLfile", str(path), str(self.directory / "leaf.pem")),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ended.stdout + ended.stderr


@pytest.mark.parametrize("options", [(), ("-extended_crl",)], ids=["plain", "extended"])
def test_openssl_takes_the_list_of_its_own_partition_and_no_other(
    node: PartedNode, tmp_path: Path, options: tuple[str, ...]
):
    issued = Issued(node, tmp_path)
    own = issued.signed.crl_partition
    assert own is not None

    def others() -> None:
        for other in {1, 2, 3} - {own}:
            said = issued.judged(node.crl(scope(other)), *options)
            assert "different CRL scope" in said
            assert "leaf.pem: OK" not in said

    node.loop.tick()
    for name in (scope(own), ISSUER):
        assert "leaf.pem: OK" in issued.judged(node.crl(name), *options)
    others()
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    for name in (scope(own), ISSUER):
        assert "certificate revoked" in issued.judged(node.crl(name), *options)
    others()


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
