"""``explain`` cannot drift from the gates: what it says is what the server then answers.

Every refusal of docs/reference/refusals.md, every credential of the authorization matrix,
and requests put together at random go through both, on a real socket.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certctl.domain.profiles import ENROLLING, Operation, Route
from certctl.domain.rules import Rule, Verdict
from certctl.wire.attributes import CHALLENGE_PASSWORD
from tests.e2e.foretelling import Foretold, Oracle, question
from tests.e2e.refusal_world import RefusalWorld, Told
from tests.e2e.test_every_refusal import CASES
from tests.harness.bound_client import as_text, csr
from tests.harness.device import Device
from tests.harness.hook import hook_service
from tests.harness.raw import new_source
from tests.security.test_authorization_matrix import CREDENTIALS, PROFILES, World
from tests.unit.trust import pki

# What explain cannot see, and why; None: nothing of the kind is judged at all.
BLIND: Mapping[str, Rule | None] = {
    "CredentialMissing missing": Rule.AUTHENTICATION,  # none was given to it either
    "CertificateRefused missing": Rule.AUTHENTICATION,
    "WrongPassword wrong_password": None,  # no password is judged
    "ProxyHeaderRefused proxy_header": None,  # of the connection
    "BindingFailure mismatch": Rule.CHANNEL_BINDING,
    "BindingFailure no_exporter": None,  # of the connection
    "DeviceStateFailed device_state": Rule.DEVICE_STATE,
    "StoreUnavailable store_error": None,  # it writes nothing
    "InternalError internal": None,  # a fault of ours
    # What a CA outside will answer is its own to say, and asking it would be to order.
    "IssuerSilent issuer_error": None,
    "IssuerRefused issuer_error": None,
    "IssuerMisbehaved issuer_error": None,
    "InProgress in_progress": None,
}
BOUND = [row for row in CASES if row.startswith("BindingFailure")]
# Takes half a minute; the issuer's dates are judged by the code that signs.
TOO_LONG = ["IssuerUnavailable issuer_error"]


class ForetellingWorld(RefusalWorld):
    """Explains each request before it sends it."""

    last: Foretold

    def __init__(self, directory: Path, hook: Any) -> None:
        super().__init__(directory, hook)
        self._chains: dict[int, tuple[bytes, ...]] = {}
        self._kept: list[ssl.SSLContext] = []
        self.oracle = Oracle(self.server)

    def showing(self, chain: Sequence[pki.Held]) -> ssl.SSLContext:
        return self._remember(super().showing(chain), *(each.der for each in chain))

    def showing_device(self, device: Device) -> ssl.SSLContext:
        assert device.certificate is not None
        der = device.certificate.public_bytes(Encoding.DER)
        return self._remember(super().showing_device(device), der)

    def _remember(self, context: ssl.SSLContext, *chain: bytes) -> ssl.SSLContext:
        self._kept.append(context)
        self._chains[id(context)] = chain
        return context

    def ask(
        self,
        profile: str,
        body: bytes | None = None,
        *lines: str,
        operation: str = "simpleenroll",
        route: str = "est",
        source: str | None = None,
        context: ssl.SSLContext | None = None,
        port: int | None = None,
    ) -> Told:
        body = self.device().body() if body is None else body
        source = source or new_source()
        by_password = context is None and (not lines or "Authorization" in lines[0])
        self.last = self.oracle.foretell(
            question(
                profile,
                body,
                operation=operation,
                user="device" if by_password else None,
                chain=self._chains[id(context)] if context is not None else (),
                source=source,
            )
        )
        return super().ask(
            profile,
            body,
            *lines,
            operation=operation,
            route=route,
            source=source,
            context=context,
            port=port,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForetellingWorld]:
    with hook_service() as hook:
        made = ForetellingWorld(tmp_path_factory.mktemp("foretold"), hook)
        made.put_rules("off", {})
        made.make_stored_issuer()
        with made.server:
            yield made


def test_explaining_leaves_nothing_on_record(world: ForetellingWorld) -> None:
    before = kept(world)
    for _ in range(3):
        body = world.device().body()
        for profile in ("limited", "careful", "ruled"):
            asked = question(profile, body, user="device", source="192.0.2.7")
            told = world.oracle.foretell(asked).told
            outcomes = {"limited": told.refusal is None, "careful": told.waits}
            assert outcomes.get(profile, told.would_be is None)
    assert world.ask("limited").answer.status == 200
    between = kept(world)
    assert between != before
    asked = question("limited", world.device().body(), user="device", source="192.0.2.7")
    assert world.oracle.foretell(asked).told.would_be is not None
    assert kept(world) == between


def kept(world: ForetellingWorld) -> list[str]:
    """Every row of the database but those of the jobs, who write by the clock."""
    with contextlib.closing(sqlite3.connect(world.server.database, timeout=10)) as database:
        lines = list(database.iterdump())
    return [line for line in lines if '"leases"' not in line and '"checkpoints"' not in line]


@pytest.mark.parametrize("row", [row for row in CASES if row not in (*BOUND, *TOO_LONG)])
def test_every_refusal_is_foretold(world: ForetellingWorld, row: str) -> None:
    told = CASES[row](world)
    if row not in BLIND:
        world.last.must_be(told.answer)
        return
    rule = BLIND[row]
    if rule is not None:
        (found,) = (each for each in world.last.told.findings if each.rule is rule)
        assert found.verdict is Verdict.NOT_JUDGED
        assert found.note


@pytest.mark.parametrize("row", BOUND)
def test_a_binding_is_judged_as_far_as_it_shows(world: ForetellingWorld, row: str) -> None:
    carried = {
        "BindingFailure missing": (),
        "BindingFailure malformed": (as_text(CHALLENGE_PASSWORD, "hello"),),
    }.get(row, (as_text(CHALLENGE_PASSWORD, bytes(32)),))
    body = csr(world.device().common_name, *carried)
    foretold = world.oracle.foretell(question("bound", body, user="device", source="192.0.2.1"))
    told = CASES[row](world)
    if row in BLIND:
        findings = {each.rule: each for each in foretold.told.findings}
        assert findings[Rule.CHANNEL_BINDING].verdict is Verdict.NOT_JUDGED
    else:
        foretold.must_be(told.answer)


# The authorization matrix.


class ForetellingMatrix(World):
    """The matrix of ``test_authorization_matrix``, each attempt explained before."""

    def foretell(self, profile: str, operation: Operation, kind: str) -> Foretold:
        device = self.device(kind, profile)
        if operation is Operation.SIMPLEREENROLL and device.certificate is None:
            device = self.on_record(profile)
            device.certificate = None
        chain: tuple[bytes, ...] = ()
        if device.certificate is not None:
            chain = (device.certificate.public_bytes(Encoding.DER),)
        by_password = kind in ("password", "locked_out")
        return Oracle(self.server).foretell(
            question(
                profile,
                device.body(),
                operation=operation.value,
                user="device" if by_password else None,
                chain=chain,
                source=self._locked_source() if kind == "locked_out" else new_source(),
            )
        )


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForetellingMatrix]:
    made = ForetellingMatrix(tmp_path_factory.mktemp("foretold-matrix"))
    with made.server:
        yield made


# Explain judges no password, and without a credential it judges none.
JUDGED = [
    kind
    for kind in CREDENTIALS
    if kind not in ("none", "bearer", "wrong_password", "other_password", "empty_password")
]


@pytest.mark.parametrize("profile", [each for each in PROFILES if each != "open"])
def test_every_credential_is_foretold(matrix: ForetellingMatrix, profile: str) -> None:
    for operation, kind in itertools.product(sorted(ENROLLING), JUDGED):
        told = matrix.foretell(profile, operation, kind).told
        (found,) = (each for each in told.findings if each.rule is Rule.AUTHENTICATION)
        status = matrix.attempt(profile, Route.STANDARD, operation, kind)
        expected = {Verdict.PASSED: {200}, Verdict.FAILED: {401, 429}}[found.verdict]
        assert status in expected, (operation, kind, status, found)
        assert (told.refusal is None) == (status == 200), (operation, kind, told.refusal)


# Requests put together at random.

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=2_048),
}
NAMES = {
    "plain": [(NameOID.COMMON_NAME, "pump")],
    "with a number": [(NameOID.SERIAL_NUMBER, "A1"), (NameOID.COMMON_NAME, "pump")],
    "of another script": [(NameOID.COMMON_NAME, "p\u0443mp")],
    "long": [(NameOID.COMMON_NAME, "x" * 64)],
    "none": [],
}
SANS = (
    x509.DNSName("pump.iot.example"),
    x509.DNSName("*.iot.example"),
    x509.DNSName("a..b"),
    x509.RFC822Name("pump@iot.example"),
    x509.UniformResourceIdentifier("urn:pump:1"),
    x509.DirectoryName(x509.Name([])),
)
USAGES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(sorted(KEYS)),
    subject=st.sampled_from(sorted(NAMES)),
    sans=st.lists(st.sampled_from(SANS), max_size=3, unique=True),
    usages=st.lists(st.sampled_from(USAGES), max_size=2, unique=True),
    profile=st.sampled_from(["both", "ruled", "linted", "limited", "careful", "named"]),
    operation=st.sampled_from(["simpleenroll", "simplereenroll"]),
)
def test_any_request_is_foretold(
    world: ForetellingWorld,
    key: str,
    subject: str,
    sans: list[x509.GeneralName],
    usages: list[x509.ObjectIdentifier],
    profile: str,
    operation: str,
) -> None:
    private: Any = KEYS[key]()
    attributes = [x509.NameAttribute(oid, text) for oid, text in NAMES[subject]]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    body = builder.sign(private, digest).public_bytes(Encoding.DER)
    told = world.ask(profile, body, operation=operation)
    world.last.must_be(told.answer)
