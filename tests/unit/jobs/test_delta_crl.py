"""Delta CRLs of a real store and CA, as openssl and pkilint understand them (RFC 5280 §5.2.4)."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.commands import ReleaseCertificate
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import crl_scope
from certctl.domain.errors import CrlRefused, Failure
from certctl.jobs.crl import CrlJob, DeltaCrls
from certctl.jobs.loop import JobLoop
from certctl.wire.crl import CrlFields, encode_tbs
from tests.contract.samples import certificate
from tests.harness.pkilint import findings
from tests.unit.issuers.orders import order
from tests.unit.issuers.test_local_sign import sign as issue
from tests.unit.jobs.crl_node import HOUR_US, ISSUER, TIMES, Node, put, sign, taken

URL = "http://pki.example.org/.well-known/pki/delta/iss-local.crl"
DELTA = DeltaCrls(url=URL, interval_us=600 * SECOND_US)
SCOPE = crl_scope(ISSUER, delta=True)
REMOVE = x509.ReasonFlags.remove_from_crl


class DeltaNode(Node):
    def restart(self) -> None:
        self.job = CrlJob(
            ISSUER,
            self.ca.crl_issuer,
            TIMES,
            records=self.records,
            caller=self,
            delta=DELTA,
            clock=lambda: self.now_us,
            on_published=lambda crl, _took_us: self.published.append(crl),
        )
        self.loop = JobLoop(
            [self.job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda _, fault: self.told.append(fault),
        )

    def delta(self) -> x509.CertificateRevocationList:
        record = self.records.crl(SCOPE)
        assert record is not None
        parts = [self.records.crl_part(SCOPE, record.number, n) for n in range(record.parts)]
        tbs = b"".join(part or b"" for part in parts)
        assert hashlib.sha256(tbs).digest() == record.digest
        crl = x509.load_der_x509_crl(record.seal.around(tbs))
        ca = x509.load_der_x509_certificate(self.ca.ca_chain()[0])
        assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
        return crl

    def changes(self) -> dict[int, x509.ReasonFlags]:
        """What the delta CRL says, by number of the sample certificate."""
        return {
            entry.serial_number - (1 << 150): next(iter(entry.extensions)).value.reason
            for entry in self.delta()
        }

    def numbers(self) -> tuple[int, int, int]:
        """(full, delta, base of the delta)."""
        delta = self.delta()
        number = delta.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        indicator = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
        assert indicator.critical
        return self.number(), number, indicator.value.crl_number

    def release(self, number: int) -> None:
        command = ReleaseCertificate(certificate_id=certificate(number).id, actor="host:me")
        assert not isinstance(self.service.execute(command), Failure)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[DeltaNode]:
    node = DeltaNode(tmp_path)
    yield node
    node.records.close()
    node.store.close()
    assert node.told == []


def test_revocations_make_delta_crls_and_full_ones_come_in_their_time(node: DeltaNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    assert node.numbers() == (1, 2, 1)
    freshest = node.crl().extensions.get_extension_for_class(x509.FreshestCRL)
    assert not freshest.critical
    assert freshest.value[0].full_name == [x509.UniformResourceIdentifier(URL)]
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    assert node.numbers() == (1, 3, 1)
    assert (node.listed(), node.changes()) == (set(), {1: x509.ReasonFlags.key_compromise})
    node.jump(600 * SECOND_US)
    assert node.numbers() == (1, 4, 1), "in its time, though nothing happened"
    node.jump(HOUR_US)
    assert node.numbers() == (5, 6, 1), "who has the full one before can use it"
    assert (node.listed(), set(node.changes())) == ({1}, {1})
    node.jump(HOUR_US)
    assert node.numbers() == (7, 8, 5)
    node.jump(HOUR_US)
    assert node.numbers() == (9, 10, 7)
    assert (node.listed(), node.changes()) == ({1}, {}), (
        "on every full one that it can be used with"
    )


def test_a_released_hold_is_removed_whether_the_base_has_it_or_not(node: DeltaNode):
    node.issue(1, 2, 3)
    node.loop.tick()
    node.revoke(1, "certificateHold")
    node.jump(HOUR_US)
    assert node.listed() == {1}
    node.revoke(2, "certificateHold")
    node.revoke(3, "certificateHold")
    node.pass_time(12)
    for number in (1, 2):
        node.release(number)
    node.revoke(3, "superseded")
    node.pass_time(12)
    assert node.changes() == {1: REMOVE, 2: REMOVE, 3: x509.ReasonFlags.superseded}
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    assert node.changes()[1] is x509.ReasonFlags.key_compromise, "revoked for good after all"
    for _ in range(3):
        node.jump(HOUR_US)
    assert (node.listed(), node.changes()) == ({1, 3}, {})


def test_a_change_is_not_forgotten_by_a_restart(node: DeltaNode):
    node.issue(1)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(3)
    node.restart()
    node.pass_time(12)
    assert set(node.changes()) == {1}


def test_the_authority_signs_only_the_next_delta_crl_of_the_right_base(node: DeltaNode):
    node.loop.tick()
    before = node.delta()
    fence = taken(node)

    def attempt(number: int, base: int | None, *, delta: bool = True, point: str | None = None):
        fields = CrlFields(
            number=number,
            this_update_us=node.now_us,
            next_update_us=node.now_us + DAY_US,
            base_number=base,
            distribution_point=point,
        )
        tbs = encode_tbs(node.ca.crl_issuer, fields, ())
        put(node, tbs, fence=fence, number=number, delta=delta)
        sign(node, fence=fence, number=number, delta=delta)

    for number, base, delta, point, reason in (
        (2, 1, True, None, "number"),
        (3, 2, True, None, "malformed"),
        (3, None, True, None, "malformed"),
        (3, 1, False, None, "malformed"),
        (3, 1, True, "http://pki.example.org/1.crl", "distribution_point"),
    ):
        with pytest.raises(CrlRefused) as refused:
            attempt(number, base, delta=delta, point=point)
        assert refused.value.reason == reason, (number, base, delta)
    assert node.delta() == before
    attempt(3, 1)
    assert node.numbers() == (1, 3, 1)


def test_openssl_and_pkilint_follow_a_hold_and_its_release(node: DeltaNode, tmp_path: Path):
    def openssl(*extra: str | Path) -> str:
        ended = subprocess.run(
            [
                *("openssl", "verify", "-attime", str(node.now_us // SECOND_US), "-crl_check"),
                *("-extended_crl", *map(str, extra), "-CAfile", str(root), str(leaf)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ended.stdout + ended.stderr

    root, leaf = tmp_path / "root.pem", tmp_path / "leaf.pem"
    full, fresh = tmp_path / "full.pem", tmp_path / "delta.pem"
    spki = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki_der = spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made = issue(node.ca, order(spki_der=spki_der), now_us=node.now_us)
    ca = x509.load_der_x509_certificate(node.ca.ca_chain()[0])
    root.write_bytes(ca.public_bytes(Encoding.PEM))
    leaf.write_bytes(x509.load_der_x509_certificate(made.der).public_bytes(Encoding.PEM))
    with node.store.transaction() as transaction:
        transaction.record_certificates(
            [certificate(1, serial=made.serial, der=made.der, not_after_us=made.not_after_us)]
        )

    def judged() -> tuple[str, ...]:
        """What it says with the full CRL alone, and with its delta."""
        for path, crl in ((full, node.crl()), (fresh, node.delta())):
            path.write_bytes(crl.public_bytes(Encoding.PEM))
            der = crl.public_bytes(Encoding.DER)
            assert findings("lint_crl", der, tmp_path, "-t", "CRL", "-p", "PKIX") == ""
        alone = openssl("-CRLfile", full)
        both = openssl("-use_deltas", "-CRLfile", full, "-CRLfile", fresh)
        return tuple(
            "revoked" if "revoked" in said else said.split(": ")[-1].strip()
            for said in (alone, both)
        )

    node.loop.tick()
    assert judged() == ("OK", "OK")
    node.revoke(1, "certificateHold")
    node.pass_time(12)
    assert judged() == ("OK", "revoked")
    node.jump(HOUR_US)
    assert judged() == ("revoked", "revoked")
    node.release(1)
    node.pass_time(12)
    assert judged() == ("revoked", "OK")
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    assert judged() == ("revoked", "revoked")
