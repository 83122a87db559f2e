"""Every row of docs/reference/refusals.md, met by a device: text, status, request id, event.

The rows are read from the page itself; one without a case here fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from certctl.domain.audit import AuditEvent
from certctl.domain.errors import Failure
from certctl.web.refusal_samples import samples
from certctl.wire.der import encode
from tests.e2e.refusal_world import LOCKOUT_FAILURES, PROXY, RefusalWorld, Told, path_of
from tests.harness.bound_client import (
    CHALLENGE_PASSWORD,
    NO_EXTENDED_MASTER_SECRET,
    BoundClient,
    Way,
    as_text,
    csr,
)
from tests.harness.device import name
from tests.harness.hook import hook_service
from tests.harness.raw import new_source, post
from tests.harness.records import all_events, revoke
from tests.unit.trust import pki
from tests.unit.wire import forge

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "refusals.md"
ROW = re.compile(r"^\| (\d{3}) \| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
WAIT_SECONDS = 15.0
# What stands for a value in the page's samples.
SAMPLE_VALUES = (
    "what was asked for",
    "what the profile says",
    "CN=a",
    "CN=b",
    "unpatched",
    "not one of ours",
    "0190a1b2c3d4",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefusalWorld]:
    with hook_service() as hook:
        made = RefusalWorld(tmp_path_factory.mktemp("refusals"), hook)
        made.put_rules("off", {})
        made.make_stored_issuer()
        with made.server:
            yield made


# The cases.


def missing_password(world: RefusalWorld) -> Told:
    return world.ask("both", None, "X-Nothing: 1")


def locked_out(world: RefusalWorld) -> Told:
    source = new_source()
    for _ in range(LOCKOUT_FAILURES):
        told = world.ask("both", None, world.credentials("both", "wrong"), source=source)
        assert told.answer.status == 401
    return world.ask("both", source=source)


def expired(world: RefusalWorld) -> Told:
    ends = world.now.replace(year=world.now.year - 1)
    begins = world.now.replace(year=world.now.year - 2)
    return world.shown(world.make(issuer=world.root, not_before=begins, not_after=ends))


def not_yet_valid(world: RefusalWorld) -> Told:
    begins = world.now.replace(year=world.now.year + 1)
    ends = world.now.replace(year=world.now.year + 2)
    return world.shown(world.make(issuer=world.root, not_before=begins, not_after=ends))


def no_crl(world: RefusalWorld) -> Told:
    below = world.make_ca("hard below", issuer=world.hard_root)
    return world.shown(world.make(issuer=below), below, profile="hard")


def wrong_usage(world: RefusalWorld) -> Told:
    servers = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return world.shown(world.make(issuer=world.root, extensions=[(servers, False)]))


def other_profile(world: RefusalWorld) -> Told:
    device = world.issued("other")
    return world.ask("both", context=world.showing_device(device))


def bound(world: RefusalWorld, *attributes: bytes, way: Way | None = None) -> Told:
    with BoundClient(world.server, way) as client:
        body = csr(world.device().common_name, *attributes)
        client.send(post(path_of("bound"), body, "Accept: */*", world.credentials("bound")))
        return Told(answer=client.answer(), profile="bound")


def no_exporter(world: RefusalWorld) -> Told:
    way = Way(port=world.old_port, newest=SSL.TLS1_2_VERSION, options=NO_EXTENDED_MASTER_SECRET)
    return bound(world, way=way)


def proxy_header(world: RefusalWorld) -> Told:
    doubled = ("Client-Cert: :AA==:", "Client-Cert: :AA==:")
    return world.ask("both", None, world.credentials("both"), *doubled, source=PROXY)


def forged(*attributes: bytes, subject: str) -> bytes:
    return forge.request(*attributes, subject=forge.name((forge.CN, subject)))


def wrong_signature(world: RefusalWorld) -> Told:
    good = forged(subject="unsigned")
    return world.ask("both", good[:-1] + bytes([good[-1] ^ 1]))


def key_algorithm(world: RefusalWorld) -> Told:
    key = ed25519.Ed25519PrivateKey.generate()
    made = x509.CertificateSigningRequestBuilder().subject_name(name("ed")).sign(key, None)
    return world.ask("both", made.public_bytes(Encoding.DER))


def weak_key(world: RefusalWorld) -> Told:
    device = world.issued()
    return world.ask("both", device.body(device.csr(name("a second name"))))


def other_subject(world: RefusalWorld) -> Told:
    device = world.issued()
    return world.renewed(device, "both", device.csr(name("somebody else")))


def other_san(world: RefusalWorld) -> Told:
    device = world.issued()
    device.san = [x509.DNSName("more.example")]
    return world.renewed(device, "both", device.csr())


def same_key(world: RefusalWorld) -> Told:
    device = world.issued("newkey")
    return world.renewed(device, "newkey", device.csr())


def new_key(world: RefusalWorld) -> Told:
    device = world.issued("samekey")
    fresh = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(device.common_name))
    return world.renewed(device, "samekey", builder.sign(fresh, hashes.SHA256()))


def identity_mismatch(world: RefusalWorld) -> Told:
    chain = [world.make("somebody", issuer=world.root)]
    return world.ask("named", context=world.showing(chain))


def revoked(world: RefusalWorld) -> Told:
    device = world.issued()
    revoke(world.server, device.certificate)
    context = world.showing_device(device)
    return world.ask("both", device.body(), operation="simplereenroll", context=context)


def device_state(world: RefusalWorld) -> Told:
    world.hook.says(b'{"allow": false, "reason": "unpatched"}')
    return world.ask("hooked")


def rate_limited(world: RefusalWorld) -> Told:
    device, source = world.device(), new_source()
    assert world.ask("limited", device.body(), source=source).answer.status == 200
    device.key = ec.generate_private_key(ec.SECP256R1())
    return world.ask("limited", device.body(), source=source)


def outside(mood: str) -> Case:
    """A CA outside whose program does this."""

    def case(world: RefusalWorld) -> Told:
        world.outside.mood(mood)
        return world.ask("outside")

    return case


def in_progress(world: RefusalWorld) -> Told:
    world.outside.mood("exit 1")
    body = world.device().body()
    assert world.ask("outside", body).answer.status == 503
    return world.ask("outside", body)


def denied(world: RefusalWorld) -> Told:
    body = world.device().body()
    waits = world.ask("careful", body)
    assert waits.answer.status == 202
    request = waits.answer.text.split(" as ")[1].split(".")[0]
    world.operate("requests", "deny", request, "--reason", "not one of ours")
    return world.ask("careful", body)


def spki_rsa_1024() -> bytes:
    from tests.security.test_weak_keys import rsa_spki  # noqa: PLC0415 - it makes RSA keys

    return rsa_spki((1 << 1023) + 1155)


DER = forged(subject="whole")
Case = Callable[[RefusalWorld], Told]
CASES: Mapping[str, Case] = {
    "CredentialMissing missing": missing_password,
    "WrongPassword wrong_password": lambda w: w.ask("both", None, w.credentials("both", "no")),
    "LockedOut locked_out": locked_out,
    "CertificateRefused missing": lambda w: w.ask("both", None, "X-Nothing: 1", route="est-mtls"),
    "CertificateRefused untrusted": lambda w: w.shown(pki.make("self-signed")),
    "CertificateRefused expired": expired,
    "CertificateRefused not_yet_valid": not_yet_valid,
    "CertificateRefused revoked": revoked,
    "CertificateRefused no_crl": no_crl,
    "CertificateRefused wrong_usage": wrong_usage,
    "CertificateRefused other_profile": other_profile,
    "BindingFailure missing": bound,
    "BindingFailure malformed": lambda w: bound(w, as_text(CHALLENGE_PASSWORD, "hello")),
    "BindingFailure mismatch": lambda w: bound(w, as_text(CHALLENGE_PASSWORD, bytes(32))),
    "BindingFailure no_exporter": no_exporter,
    "ProxyHeaderRefused proxy_header": proxy_header,
    "BodyTooLarge too_large": lambda w: w.ask("both", b"x" * 70_000),
    "RequestMalformed empty": lambda w: w.ask("both", b""),
    "RequestMalformed not_base64": lambda w: w.ask("both", b"!!!!"),
    "RequestMalformed not_pkcs10": lambda w: w.ask("both", w.root.pem),
    "RequestMalformed trailing_bytes": lambda w: w.ask("both", DER + b"\0"),
    "RequestMalformed ber": lambda w: w.ask("both", b"\x30\x80" + DER[4:] + b"\0\0"),
    "RequestMalformed attribute": lambda w: w.ask(
        "both", forged(forge.extensions(), forge.extensions(), subject="two requests")
    ),
    "RequestMalformed extension": lambda w: w.ask(
        "both",
        forged(forge.extensions(forge.extension("2.5.29.37", b"\x30\x00")), subject="no usage"),
    ),
    "SignatureWrong csr_signature": wrong_signature,
    "PolicyViolation key_algorithm": key_algorithm,
    "PolicyViolation key_size": lambda w: w.ask("both", forge.request(spki=spki_rsa_1024())),
    "PolicyViolation weak_key": weak_key,
    "PolicyViolation eku": lambda w: w.ask(
        "both", forged(forge.extensions(forge.eku(forge.SERVER_AUTH)), subject="a server")
    ),
    "PolicyViolation san": lambda w: w.ask(
        "both", forged(forge.extensions(forge.sans(forge.dns("a..b"))), subject="two dots")
    ),
    "PolicyViolation subject": lambda w: w.ask("both", forge.request(subject=forge.name())),
    "PolicyViolation name": lambda w: w.ask("both", forged(subject="a\u202eb")),
    "PolicyViolation attribute": lambda w: w.ask("ruled"),
    "PolicyViolation extension": lambda w: w.ask(
        "both",
        forged(
            forge.extensions(forge.extension("2.5.29.19", encode(0x30, b"\x01\x01\xff"))),
            subject="a CA",
        ),
    ),
    "PolicyViolation lint": lambda w: w.ask("linted", forged(subject="x" * 65)),
    "NotAllowed identity_mismatch": identity_mismatch,
    "NotAllowed subject_changed": other_subject,
    "NotAllowed san_changed": other_san,
    "NotAllowed key_not_new": same_key,
    "NotAllowed key_changed": new_key,
    "NotAllowed nothing_to_renew": lambda w: w.ask("both", operation="simplereenroll"),
    "DeviceStateFailed device_state": device_state,
    "RateLimited rate_limited": rate_limited,
    "Pending pending": lambda w: w.ask("careful"),
    "Denied denied": denied,
    "StoreUnavailable store_error": lambda w: w.with_full_store("both"),
    "CertificateProfileUnavailable certificate_profile": lambda w: w.switched_off("off"),
    "WaitingRoomFull waiting_room": lambda w: w.with_full_waiting_room("careful"),
    "IssuerDisabled issuer_disabled": lambda w: w.disabled("idle"),
    "IssuerSilent issuer_error": outside("exit 1"),
    "IssuerRefused issuer_error": outside("echo the subject is not in the inventory >&2; exit 77"),
    "IssuerMisbehaved issuer_error": outside("echo nonsense"),
    "InProgress in_progress": in_progress,
    "InternalError internal": lambda w: w.with_damaged_record("both"),
    # Last: its CA has to expire first.
    "IssuerUnavailable issuer_error": lambda w: w.until_away("short"),
}


def label(failure: Failure) -> str:
    return f"{type(failure).__name__} {failure.reason}"


def rows() -> dict[str, tuple[int, list[str], str]]:
    """Status, lines and event of each row of the page, by its failure."""
    table = PAGE.read_text().partition("## What is no EST request")[0]
    found = ROW.findall(table)
    failures = list(samples())
    assert [reason for _, reason, _, _, _ in found] == [each.reason for each in failures]
    return {
        label(failure): (int(status), text.replace("\\|", "|").split("<br>"), event)
        for failure, (status, _, text, event, _) in zip(failures, found, strict=True)
    }


def test_every_row_has_a_case() -> None:
    assert set(CASES) == set(rows())


@pytest.mark.parametrize("row", CASES)
def test_as_the_page_says(world: RefusalWorld, row: str) -> None:
    status, lines, action = rows()[row]
    told = CASES[row](world)
    answer = told.answer
    assert answer.status == status, answer.text
    *words, identified = answer.text.splitlines()
    assert len(words) == len(lines) == 3
    for said, written in zip(words, lines, strict=True):
        assert pattern(written).fullmatch(said), (said, written)
    number = identified.removeprefix("request-id: ")
    assert answer.headers["x-request-id"] == number
    if action.startswith("none"):
        assert not [each for each in events(world) if each.request_id == number]
        return
    event = wait_for(world, number)
    assert event.profile == told.profile
    if action == "*failed*":
        assert event.action in ("est_simple_enroll_failed", "est_simple_reenroll_failed")
    else:
        assert event.action == action.strip("`").partition("`")[0]


def pattern(written: str) -> re.Pattern[str]:
    """Values of the page's samples stand for any; a note may follow what was malformed."""
    text = re.escape(written)
    for value in SAMPLE_VALUES:
        text = text.replace(re.escape(value), ".+")
    text = re.sub(r"\d+(?=\\ seconds|\\ octets|\\ certificates)", r"\\d+", text)
    return re.compile(text.removesuffix(r"\.") + r"(: .+)?\.")


def wait_for(world: RefusalWorld, number: str) -> AuditEvent:
    """The event of this request, which may have to wait for the store."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        for event in events(world):
            if event.request_id == number:
                return event
        assert time.monotonic() < deadline, [
            (each.action, each.request_id) for each in events(world)
        ]
        time.sleep(0.05)


def events(world: RefusalWorld) -> list[AuditEvent]:
    return [recorded.event for recorded in all_events(world.server)]
