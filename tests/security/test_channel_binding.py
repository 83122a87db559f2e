"""A CSR that is bound to another TLS connection, or to none where one is required, gives
no certificate: each carrier, each kind of binding, each listener (est §4).
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.csrattrs import encode_csrattrs
from tests.harness.bound_client import (
    CHALLENGE_PASSWORD,
    COMPRESSION,
    EST_IDENTITY_LINKING,
    OTP_CHALLENGE,
    BoundClient,
    as_octets,
    as_text,
    csr,
)
from tests.harness.device import Device, certificates_of, name
from tests.harness.http import basic
from tests.harness.raw import Answer, head, post
from tests.harness.records import Ledger, Refused
from tests.security.binding import PASSWORD, RIGHT, Bound, path
from tests.security.enrollment import assert_refused
from tests.unit.wire import forge

Carriers = Callable[[BoundClient], tuple[bytes, ...]]

names = map("bound-{}".format, itertools.count())

EXPORTER: dict[str, Carriers] = {
    "challengePassword": lambda c: (as_text(CHALLENGE_PASSWORD, c.exporter),),
    "estIdentityLinking": lambda c: (as_text(EST_IDENTITY_LINKING, c.exporter),),
    "octets in .56": lambda c: (as_octets(OTP_CHALLENGE, c.exporter),),
    "octets in .43": lambda c: (as_octets(COMPRESSION, c.exporter),),
    "all four": lambda c: (
        as_text(CHALLENGE_PASSWORD, c.exporter),
        as_text(EST_IDENTITY_LINKING, c.exporter),
        as_octets(OTP_CHALLENGE, c.exporter),
        as_octets(COMPRESSION, c.exporter),
    ),
    "beside a one-time password": lambda c: (
        as_text(EST_IDENTITY_LINKING, c.exporter),
        as_text(OTP_CHALLENGE, "planted-one-time-password"),
        as_text(CHALLENGE_PASSWORD, "planted-typed-password"),
    ),
}
UNIQUE: dict[str, Carriers] = {
    "challengePassword": lambda c: (as_text(CHALLENGE_PASSWORD, c.tls_unique),),
    "estIdentityLinking": lambda c: (as_text(EST_IDENTITY_LINKING, c.tls_unique),),
}
GRANTED = [
    *(("main", carriers, "tls-exporter") for carriers in EXPORTER.items()),
    *(("old, 1.3", carriers, "tls-exporter") for carriers in EXPORTER.items()),
    *(("old, 1.2", carriers, "tls-exporter") for carriers in EXPORTER.items()),
    *(("old, 1.2", carriers, "tls-unique") for carriers in UNIQUE.items()),
]


@pytest.mark.parametrize(
    ("way", "carriers", "kind"), GRANTED, ids=[f"{w}-{c[0]}-{k}" for w, c, k in GRANTED]
)
def test_bound_to_its_own_connection_it_is_granted_and_is_the_last(
    bound: Bound, way: str, carriers: tuple[str, Carriers], kind: str
) -> None:
    ledger = Ledger(bound.server)
    with BoundClient(bound.server, bound.ways()[way]) as client:
        request = csr(next(names), *carriers[1](client))
        # The second, asked for in the same breath, is dropped (RFC 9266 §4.1).
        client.send(post(path("strict"), request, RIGHT) + head("GET", path("strict", "cacerts")))
        answer = client.answer()
        assert answer.status == 200, answer.text
        assert answer.closes
        assert client.rest() == b""
    (event,) = ledger.expect(issued=1).events
    assert event.details["channel_binding"] == kind
    assert "planted" not in repr(event)


def wrong_context(client: BoundClient) -> bytes:
    """Without a context, which on TLS 1.2 is not the empty one (RFC 5705 §4)."""
    return client.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32)


def servers_finished(client: BoundClient) -> bytes:
    finished = client.tls.get_peer_finished()
    assert finished is not None
    return finished


NO_BASE64 = "!" * 44
MISMATCH: dict[str, tuple[str, Carriers]] = {
    "zeros": ("main", lambda _: (as_text(CHALLENGE_PASSWORD, bytes(32)),)),
    "zeros in estIdentityLinking": (
        "main",
        lambda _: (as_text(EST_IDENTITY_LINKING, bytes(32)),),
    ),
    "zeros as octets in .56": ("main", lambda _: (as_octets(OTP_CHALLENGE, bytes(32)),)),
    "zeros as octets in .43": ("main", lambda _: (as_octets(COMPRESSION, bytes(32)),)),
    "one bit": (
        "main",
        lambda c: (as_text(CHALLENGE_PASSWORD, bytes((c.exporter[0] ^ 1,)) + c.exporter[1:]),),
    ),
    "right, then wrong": (
        "main",
        lambda c: (
            as_text(CHALLENGE_PASSWORD, c.exporter),
            as_text(EST_IDENTITY_LINKING, bytes(32)),
        ),
    ),
    "wrong, then right": (
        "main",
        lambda c: (
            as_text(CHALLENGE_PASSWORD, bytes(32)),
            as_text(EST_IDENTITY_LINKING, c.exporter),
        ),
    ),
    "right as text, wrong as octets": (
        "main",
        lambda c: (
            as_text(CHALLENGE_PASSWORD, c.exporter),
            as_octets(COMPRESSION, bytes(32)),
        ),
    ),
    "Finished on 1.3": ("main", lambda c: (as_text(CHALLENGE_PASSWORD, c.tls_unique),)),
    "tls-unique on 1.3": ("main", lambda c: (as_text(CHALLENGE_PASSWORD, c.tls_unique[:12]),)),
    "tls-unique on 1.3 of the old port": (
        "old, 1.3",
        lambda c: (as_text(CHALLENGE_PASSWORD, c.tls_unique[:12]),),
    ),
    "zeros for tls-unique": ("old, 1.2", lambda _: (as_text(CHALLENGE_PASSWORD, bytes(12)),)),
    "the server's Finished": (
        "old, 1.2",
        lambda c: (as_text(CHALLENGE_PASSWORD, servers_finished(c)),),
    ),
    "exporter without a context": (
        "old, 1.2",
        lambda c: (as_text(CHALLENGE_PASSWORD, wrong_context(c)),),
    ),
    "tls-unique right, exporter wrong": (
        "old, 1.2",
        lambda c: (
            as_text(CHALLENGE_PASSWORD, c.tls_unique),
            as_text(EST_IDENTITY_LINKING, bytes(32)),
        ),
    ),
}


@pytest.mark.parametrize("profile", ["demo", "strict"])
@pytest.mark.parametrize("case", MISMATCH)
def test_bound_to_something_else_it_is_refused(bound: Bound, case: str, profile: str) -> None:
    way, carriers = MISMATCH[case]
    with (
        refused(bound, profile, "mismatch"),
        BoundClient(bound.server, bound.ways()[way]) as client,
    ):
        ask_and_be_refused(client, profile, carriers(client), 409, "another TLS connection")
        source = client.source
    (line,) = [
        each for each in bound.server.log_events("enroll_refused") if each["source"] == source
    ]
    assert line["level"] == "error"
    assert line["reason"] == "mismatch"


@pytest.mark.parametrize("way", ["main", "old, 1.2"])
def test_replayed_on_another_connection_it_is_refused(bound: Bound, way: str) -> None:
    ledger = Ledger(bound.server)
    with BoundClient(bound.server, bound.ways()[way]) as client:
        value = client.tls_unique if way == "old, 1.2" else client.exporter
        request = post(path("demo"), csr(next(names), as_text(CHALLENGE_PASSWORD, value)), RIGHT)
        client.send(request)
        assert client.answer().status == 200
    with BoundClient(bound.server, bound.ways()[way]) as client:
        client.send(request)
        assert_refused(client.answer(), 409)
    ledger.expect(binding_refusal("demo", "mismatch"), issued=1)


NOT_BOUND: dict[str, tuple[str, Carriers]] = {
    "nothing": ("missing", lambda _: ()),
    "a one-time password": ("missing", lambda c: (as_text(OTP_CHALLENGE, c.exporter),)),
    "octets cut short": ("missing", lambda c: (as_octets(OTP_CHALLENGE, c.exporter[:31]),)),
    "an attribute of another kind": (
        "missing",
        lambda c: (as_text("1.2.840.113549.1.9.2", c.exporter),),
    ),
    "what people type": ("malformed", lambda _: (as_text(CHALLENGE_PASSWORD, "hunter2"),)),
    "an empty text": ("malformed", lambda _: (as_text(CHALLENGE_PASSWORD, ""),)),
    "cut short": ("malformed", lambda c: (as_text(CHALLENGE_PASSWORD, c.exporter[:31]),)),
    "cut base64": (
        "malformed",
        lambda c: (as_text(CHALLENGE_PASSWORD, base64.b64encode(c.exporter).decode()[:-1]),),
    ),
    "no base64": ("malformed", lambda _: (as_text(CHALLENGE_PASSWORD, NO_BASE64),)),
    "hexadecimal": ("malformed", lambda c: (as_text(CHALLENGE_PASSWORD, c.exporter.hex()),)),
    "one octet more": ("malformed", lambda c: (as_text(CHALLENGE_PASSWORD, c.exporter + b"x"),)),
    "a broken link beside a right binding": (
        "malformed",
        lambda c: (
            as_text(CHALLENGE_PASSWORD, c.exporter),
            as_text(EST_IDENTITY_LINKING, NO_BASE64),
        ),
    ),
}


@pytest.mark.parametrize("case", NOT_BOUND)
def test_required_and_not_there_it_is_refused(bound: Bound, case: str) -> None:
    reason, carriers = NOT_BOUND[case]
    words = "no channel binding" if reason == "missing" else "for a channel binding is none"
    with refused(bound, "strict", reason), BoundClient(bound.server) as client:
        ask_and_be_refused(client, "strict", carriers(client), 400, words)


@pytest.mark.parametrize(
    ("profile", "carriers"),
    [
        ("strict", lambda _: ()),
        ("strict", EXPORTER["challengePassword"]),
        ("strict", UNIQUE["challengePassword"]),
        ("demo", EXPORTER["challengePassword"]),
        ("demo", EXPORTER["octets in .43"]),
        ("demo", UNIQUE["estIdentityLinking"]),
    ],
)
def test_a_connection_that_two_may_share_binds_nothing(
    bound: Bound, profile: str, carriers: Carriers
) -> None:
    # Without extended master secret both values exist and are right, and prove nothing.
    way = bound.ways()["old, no EMS"]
    with refused(bound, profile, "no_exporter"), BoundClient(bound.server, way) as client:
        answer = ask_and_be_refused(client, profile, carriers(client), 426, "connect directly")
    assert answer.headers["upgrade"] == "TLS/1.3"
    assert answer.headers["connection"] == "Upgrade, close"


def test_such_a_connection_may_enroll_where_nothing_binds(bound: Bound) -> None:
    ledger = Ledger(bound.server)
    with BoundClient(bound.server, bound.ways()["old, no EMS"]) as client:
        client.send(post(path("demo"), csr(next(names)), RIGHT))
        answer = client.answer()
        assert answer.status == 200, answer.text
        assert not answer.closes
    (event,) = ledger.expect(issued=1).events
    assert (event.tls_version, event.details["channel_binding"]) == ("TLSv1.2", "none")


def test_a_renewal_is_held_to_it_as_well(bound: Bound, tmp_path: Path) -> None:
    device = Device(tmp_path, next(names))
    with BoundClient(bound.server) as client:
        der = device_csr(device, client.exporter)
        client.send(post(path("strict"), der, RIGHT))
        answer = client.answer()
        assert answer.status == 200, answer.text
    device.certificate = certificates_of(answer.body)[0]

    renew = path("strict", "simplereenroll")
    ledger = Ledger(bound.server)
    with BoundClient(bound.server, device=device) as client:
        client.send(post(renew, device_csr(device, None)))
        assert_refused(client.answer(), 400, "no channel binding")
    with BoundClient(bound.server, device=device) as client:
        client.send(post(renew, der))
        assert_refused(client.answer(), 409)
    with BoundClient(bound.server, device=device) as client:
        client.send(post(renew, device_csr(device, client.exporter)))
        assert client.answer().status == 200
    ledger.expect(
        binding_refusal("strict", "missing"), binding_refusal("strict", "mismatch"), issued=1
    )


def test_an_ignored_challenge_password_is_no_binding(bound: Bound) -> None:
    ledger = Ledger(bound.server)
    with BoundClient(bound.server) as client:
        client.send(
            post(path("deaf"), csr(next(names), as_text(CHALLENGE_PASSWORD, bytes(32))), RIGHT)
        )
        answer = client.answer()
        assert answer.status == 200, answer.text
        assert not answer.closes
        linked = csr(next(names), as_text(EST_IDENTITY_LINKING, bytes(32)))
        client.send(post(path("deaf"), linked, RIGHT))
        assert_refused(client.answer(), 409)
    ledger.expect(binding_refusal("deaf", "mismatch"), issued=1)


def test_a_bound_request_that_fails_later_is_the_last_too(bound: Bound) -> None:
    ledger = Ledger(bound.server)
    with BoundClient(bound.server) as client:
        binding = as_text(CHALLENGE_PASSWORD, client.exporter)
        wants_ca = forge.extensions(forge.extension("2.5.29.19", bytes.fromhex("30030101ff")))
        good = post(path("strict"), csr(next(names), binding), RIGHT)
        client.send(post(path("strict"), csr(next(names), binding, wants_ca), RIGHT) + good)
        answer = client.answer()
        assert_refused(answer, 400, "extension")
        assert answer.closes
        assert client.rest() == b""
    ledger.expect(
        Refused(
            action=AuditAction.CSR_POLICY_VIOLATION,
            reason="extension",
            counter=Counter.CSR_POLICY_VIOLATION,
            profile="strict",
        )
    )


def test_a_wrong_password_learns_nothing_of_the_binding(bound: Bound) -> None:
    wrong = f"Authorization: {basic('device', PASSWORD + 'x')['Authorization']}"
    ledger = Ledger(bound.server)
    with BoundClient(bound.server) as client:
        client.send(
            post(path("strict"), csr(next(names), as_text(CHALLENGE_PASSWORD, bytes(32))), wrong)
        )
        assert_refused(client.answer(), 401)
    ledger.expect(
        Refused(
            action=AuditAction.AUTH_FAILED_BASIC,
            reason="wrong_password",
            counter=Counter.AUTH_FAILED_BASIC,
            profile="strict",
        )
    )


@pytest.mark.parametrize("profile", ["strict", "demo"])
def test_a_client_is_told_to_bind_where_it_must(bound: Bound, profile: str) -> None:
    with BoundClient(bound.server) as client:
        client.send(head("GET", path(profile, "csrattrs")))
        told = base64.b64decode(client.answer().body)
    asked = encode_csrattrs(attributes=(CHALLENGE_PASSWORD, EST_IDENTITY_LINKING))
    assert (asked[2:] in told) is (profile == "strict")


def ask_and_be_refused(
    client: BoundClient, profile: str, carriers: tuple[bytes, ...], status: int, words: str
) -> Answer:
    """The refusal is the last answer: what was asked in the same breath is dropped."""
    request = post(path(profile), csr(next(names), *carriers), RIGHT)
    client.send(request + post(path("demo"), csr(next(names)), RIGHT))
    answer = client.answer()
    assert_refused(answer, status, words)
    assert answer.closes
    assert client.rest() == b""
    return answer


def binding_refusal(profile: str, reason: str) -> Refused:
    return Refused(
        action=AuditAction.AUTH_FAILED_CHANNEL_BINDING,
        reason=reason,
        counter=Counter.AUTH_FAILED_CHANNEL_BINDING,
        profile=profile,
    )


@contextmanager
def refused(bound: Bound, profile: str, reason: str) -> Iterator[None]:
    """What happens inside leaves this refusal on record, once, and nothing else."""
    ledger = Ledger(bound.server)
    yield
    ledger.expect(binding_refusal(profile, reason))


def device_csr(device: Device, exporter: bytes | None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(device.common_name))
    if exporter is not None:
        text = base64.b64encode(exporter)
        builder = builder.add_attribute(x509.ObjectIdentifier(CHALLENGE_PASSWORD), text)
    return builder.sign(device.key, hashes.SHA256()).public_bytes(Encoding.DER)
