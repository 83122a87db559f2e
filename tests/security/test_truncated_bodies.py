"""A request cut at each octet, and with each octet changed: 400 every time, never 500."""

from __future__ import annotations

import base64
import random
from collections import Counter as Tally
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import encode
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, Refused
from tests.harness.replacing import replace
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, GoodClient, assert_refused
from tests.unit.wire import forge

DER = forge.request(
    forge.extensions(forge.eku(forge.CLIENT_AUTH), forge.sans(forge.dns("device-1.example.com")))
)
BASE64 = base64.encodebytes(DER)
INFO = forge.info(
    sorted(
        (
            forge.extensions(
                forge.eku(forge.CLIENT_AUTH),
                forge.sans(forge.dns("device-1.example.com"), encode(0x87, b"\x0a\x00\x00\x01")),
                forge.extension("2.5.29.15", b"\x03\x02\x07\x80", critical=True),
                forge.extension("2.5.29.19", b"\x30\x00"),
            ),
            forge.attribute(forge.CHALLENGE, encode(forge.UTF8, b"text")),
        )
    )
)
# Tags, lengths and edges; the seed keeps a failure repeatable.
OCTETS = bytes.fromhex("00 01 02 03 04 05 06 0c 13 14 1c 1e 30 31 7f 80 81 84 a0 a3 fe ff")
SEED = 20_250_101
CHANGES = 1_500
PEM = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % BASE64

INVALID = Refused(
    action=AuditAction.SIMPLE_ENROLL_FAILED, reason="csr_invalid", counter=Counter.CSR_INVALID
)
SIGNATURE = Refused(
    action=AuditAction.SIMPLE_ENROLL_FAILED,
    reason="csr_signature",
    counter=Counter.CSR_SIGNATURE_MISMATCH,
)
# A changed key or curve is judged before the signature it would fail.
RULES = "key_algorithm", "key_size", "weak_key"
POLICY = Refused(
    action=AuditAction.CSR_POLICY_VIOLATION, reason="", counter=Counter.CSR_POLICY_VIOLATION
)


def prefixes(body: bytes) -> list[bytes]:
    """Every beginning that lacks more than the final line feed."""
    return [body[:length] for length in range(len(body.rstrip(b"\n")))]


def post_all(server: RunningServer, authorization: str, bodies: Iterable[bytes]) -> int:
    """Each on the same connection, each refused with 400; gives their number."""
    number = 0
    with RawClient(server) as client:
        for body in bodies:
            client.send(post(ENROLL, body, authorization))
            assert_refused(client.answer(), 400)
            number += 1
    return number


@pytest.mark.parametrize("body", [DER, BASE64, PEM], ids=["DER", "base64", "PEM"])
def test_cut_at_each_octet(
    server: RunningServer, authorization: str, good_client: GoodClient, body: bytes
) -> None:
    ledger = Ledger(server)
    with good_client:
        number = post_all(server, authorization, prefixes(body))
    assert number > 300
    ledger.expect(replace(INVALID, times=number), issued=good_client.enrolled)


def test_the_whole_is_accepted(server: RunningServer, authorization: str) -> None:
    """Else the tests above would prove nothing; without its line feed it is whole, too."""
    with RawClient(server) as client:
        for body in (DER, BASE64, PEM, BASE64.rstrip(b"\n"), PEM.rstrip(b"\n")):
            client.send(post(ENROLL, body, authorization))
            assert client.answer().status == 200


def test_each_octet_changed(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    """One flipped bit breaks form, signature or rule: never passed, never a bug of ours."""
    ledger = Ledger(server)
    reasons: Tally[str] = Tally()
    with good_client, RawClient(server) as client:
        for place in range(len(DER)):
            changed = bytearray(DER)
            changed[place] ^= 1 << place % 8
            client.send(post(ENROLL, bytes(changed), authorization))
            answer = client.answer()
            assert_refused(answer, answer.status)
            reasons[reason_of_text(answer.text)] += 1
    kinds = (
        replace(INVALID, times=reasons["form"]),
        replace(SIGNATURE, times=reasons["signature"]),
        *(replace(POLICY, reason=rule, times=reasons[rule]) for rule in RULES if reasons[rule]),
    )
    assert sum(each.times for each in kinds) == len(DER)
    ledger.expect(*kinds, issued=good_client.enrolled)


def test_changed_octets_under_a_good_signature(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    """Who holds the key can sign any nonsense: past the signature, too, nothing breaks."""
    ledger = Ledger(server)
    chance = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    statuses: Tally[int] = Tally()
    with good_client, RawClient(server) as client:
        for _ in range(CHANGES):
            # A key of its own each time: one key stands under one name only.
            key = ec.generate_private_key(ec.SECP256R1())
            changed = bytearray(INFO.replace(forge.SPKI, forge.spki_of(key)))
            for _ in range(chance.choice((1, 1, 2, 4))):
                changed[chance.randrange(4, len(changed))] = chance.choice(OCTETS)
            client.send(post(ENROLL, forge.sealed(bytes(changed), key=key), authorization))
            statuses[client.answer().status] += 1
    assert set(statuses) == {200, 400, 403}
    change = ledger.change()
    assert change.issued <= good_client.enrolled + statuses[200]
    assert not [key for key in change.counts if key[1] is Counter.INTERNAL_ERROR]
    with RawClient(server) as client:
        unchanged = INFO.replace(forge.SPKI, forge.spki_of(key))
        client.send(post(ENROLL, forge.sealed(unchanged, key=key), authorization))
        assert client.answer().status == 200


def reason_of_text(text: str) -> str:
    if "signature of the CSR" in text:
        return "signature"
    return next((rule for rule in RULES if f"Not allowed here ({rule})" in text), "form")
