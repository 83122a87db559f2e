"""Who may do what where: every credential on every operation, route and set of modes (est §3).

The expected answers stand beside the attempts. A new operation or mode without a row
fails here; a refusal must leave the certificate count as it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import Outcome
from certctl.domain.certificates import CertificateRecord
from certctl.domain.profiles import ENROLLING, AuthMode, Operation, Route
from tests.harness.device import Device
from tests.harness.http import basic, tls_context
from tests.harness.pki import ForeignCA
from tests.harness.raw import RawClient, head, new_source, post
from tests.harness.records import all_events, revoke
from tests.harness.server import configured_server
from tests.security.enrollment import refuses_to_start

PROFILES = ("open", "pass", "cert", "both", "own", "next")
MODES = {
    "open": "anonymous",
    "pass": "basic",
    "cert": "mtls",
    "both": "mtls,basic",
    "own": "basic,mtls",
    "next": "mtls",
}
PASSWORDS = {"pass": "pass-secret-0001", "both": "both-secret-0002", "own": "own-secret-000003"}

CREDENTIALS = (
    "none",
    "password",
    "wrong_password",
    "other_password",
    "empty_password",
    "bearer",
    "factory",
    "stranger",
    "expired",
    "own",
    "other_own",
    "revoked",
    "locked_out",
)
"""``factory``: in the bundle. ``own``: issued by this profile. ``other_own``: by ``pass``.
``locked_out``: the right password, from an address with too many wrong ones.
"""

LOCKOUT_FAILURES = 3

# Credentials that are answered with 200. Every other one gets 401, and ``locked_out`` 429
# where a password would have opened.
ALLOWED: dict[tuple[str, Route, Operation], set[str]] = {
    ("open", Route.STANDARD, Operation.SIMPLEENROLL): set(CREDENTIALS),
    ("open", Route.STANDARD, Operation.SIMPLEREENROLL): set(CREDENTIALS),
    ("pass", Route.STANDARD, Operation.SIMPLEENROLL): {"password"},
    ("pass", Route.STANDARD, Operation.SIMPLEREENROLL): {"password"},
    ("cert", Route.STANDARD, Operation.SIMPLEENROLL): {"factory"},
    ("cert", Route.STANDARD, Operation.SIMPLEREENROLL): {"factory", "own"},
    ("cert", Route.MTLS, Operation.SIMPLEENROLL): {"factory"},
    ("cert", Route.MTLS, Operation.SIMPLEREENROLL): {"factory", "own"},
    ("both", Route.STANDARD, Operation.SIMPLEENROLL): {"password", "factory"},
    ("both", Route.STANDARD, Operation.SIMPLEREENROLL): {"password", "factory", "own"},
    ("both", Route.MTLS, Operation.SIMPLEENROLL): {"factory"},
    ("both", Route.MTLS, Operation.SIMPLEREENROLL): {"factory", "own"},
    ("own", Route.STANDARD, Operation.SIMPLEENROLL): {"password"},
    ("own", Route.STANDARD, Operation.SIMPLEREENROLL): {"password", "own"},
    ("own", Route.MTLS, Operation.SIMPLEENROLL): set(),
    ("own", Route.MTLS, Operation.SIMPLEREENROLL): {"own"},
    # ACCEPT_FROM_PROFILES=pass: that profile's certificates enroll and renew here.
    ("next", Route.STANDARD, Operation.SIMPLEENROLL): {"other_own"},
    ("next", Route.STANDARD, Operation.SIMPLEREENROLL): {"other_own", "own"},
    ("next", Route.MTLS, Operation.SIMPLEENROLL): {"other_own"},
    ("next", Route.MTLS, Operation.SIMPLEREENROLL): {"other_own", "own"},
}
for _profile, _read in itertools.product(PROFILES, (Operation.CACERTS, Operation.CSRATTRS)):
    ALLOWED[_profile, Route.STANDARD, _read] = set(CREDENTIALS)
    _readers = {"cert": {"factory", "own"}, "both": {"factory", "own"}, "own": {"own"}}
    _readers["next"] = {"other_own", "own"}
    if _profile in _readers:
        ALLOWED[_profile, Route.MTLS, _read] = _readers[_profile]


class World:
    """One server with six profiles, and one device for each kind of credential."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.factory = ForeignCA("factory")
        self.stranger = ForeignCA("stranger")
        self.server = configured_server(directory, self._settings())
        self._numbers = itertools.count()
        self._locked = ""

    def _settings(self) -> dict[str, str]:
        bundle = str(self.factory.bundle(self.directory / "factory.pem"))
        settings = {
            "EST_PROFILES": ",".join(PROFILES),
            "EST_LOCKOUT_FAILURES": str(LOCKOUT_FAILURES),
        }
        for profile in PROFILES:
            infix = f"EST_PROFILE_{profile.upper()}_"
            settings[f"{infix}ISSUER_ID"] = "iss-local"
            settings[f"{infix}ALLOWED_AUTH_MODES"] = MODES[profile]
            if profile in PASSWORDS:
                settings[f"{infix}ENROLLMENT_PASSWORD"] = PASSWORDS[profile]
            if profile in ("cert", "both"):
                settings[f"{infix}MTLS_ENABLED"] = "true"
                settings[f"{infix}MTLS_CLIENT_CA_TRUST_BUNDLE_PATH"] = bundle
            if profile in ("own", "next"):
                settings[f"{infix}MTLS_OWN_ONLY"] = "true"
        settings["EST_PROFILE_NEXT_ACCEPT_FROM_PROFILES"] = "pass"
        return settings

    def device(self, kind: str, profile: str) -> Device:
        """A fresh device holding (for the kinds that are certificates) that credential."""
        device = Device(self.directory, f"{kind}-{next(self._numbers)}".replace("_", "-"))
        match kind:
            case "factory":
                self.factory.equip(device)
            case "stranger":
                self.stranger.equip(device)
            case "expired":
                self.factory.equip(device, days=(-30, -1))
            case "own":
                self._issue(device, profile)
            case "other_own":
                self._issue(device, "pass")
            case "revoked":
                self._issue(device, profile)
                revoke(self.server, device.certificate)
        return device

    def on_record(self, profile: str) -> Device:
        """A device that this profile knows, for renewals without a certificate."""
        device = Device(self.directory, f"known-{next(self._numbers)}")
        self._issue(device, profile)
        return device

    def _issue(self, device: Device, profile: str) -> None:
        """Through the front door, by whatever way this profile is open."""
        match profile:
            case "open":
                answer = device.enroll(self.server, path(profile))
            case "cert":
                self.factory.equip(device)
                answer = device.enroll(self.server, path(profile), with_certificate=True)
            case "next":
                self._issue(device, "pass")
                answer = device.enroll(self.server, path(profile), with_certificate=True)
            case _:
                answer = device.enroll(self.server, path(profile), password=PASSWORDS[profile])
        assert answer.status == 200, answer.text

    def headers(self, kind: str, profile: str) -> dict[str, str]:
        match kind:
            case "password" | "locked_out":
                return basic("device", PASSWORDS.get(profile, "none is set here"))
            case "wrong_password":
                return basic("device", "wrong-password-000")
            case "other_password":
                return basic("device", "another-profiles-" + PASSWORDS["both"])
            case "empty_password":
                return basic("device", "")
            case "bearer":
                return {"Authorization": f"Bearer {PASSWORDS.get(profile, 'x')}"}
        return {}

    def attempt(self, profile: str, route: Route, operation: Operation, kind: str) -> int:
        device = self.device(kind, profile)
        renewed = operation is Operation.SIMPLEREENROLL and device.certificate is None
        if renewed and (profile in PASSWORDS or profile == "open"):
            device = self.on_record(profile)
            device.certificate = None
        elif profile == "open" and operation is Operation.SIMPLEREENROLL:
            self._issue_same_name(device)
        context = None
        if device.certificate is not None:
            context = tls_context(
                self.server.ca_file, certificate=device.certificate_file, key=device.key_file
            )
        lines = [f"{name}: {value}" for name, value in self.headers(kind, profile).items()]
        target = path(profile, operation, route)
        request = (
            post(target, device.body(), *lines)
            if operation in ENROLLING
            else head("GET", target, *lines)
        )
        # An address of its own, so that one attempt's failures are not another's.
        source = self._locked_source() if kind == "locked_out" else new_source()
        with RawClient(self.server, source=source, context=context) as client:
            client.send(request)
            return client.answer().status

    def _locked_source(self) -> str:
        """An address from which too many wrong passwords have come."""
        if not self._locked:
            self._locked = new_source()
            wrong = basic("device", "wrong-password-000")["Authorization"]
            for _ in range(LOCKOUT_FAILURES):
                with RawClient(self.server, source=self._locked) as client:
                    client.send(post(path("pass"), b"", f"Authorization: {wrong}"))
                    assert client.answer().status == 401
        return self._locked

    def _issue_same_name(self, device: Device) -> None:
        shown, device.certificate = device.certificate, None
        self._issue(device, "open")
        device.certificate = shown


def path(
    profile: str,
    operation: Operation = Operation.SIMPLEENROLL,
    route: Route = Route.STANDARD,
) -> str:
    return f"/.well-known/{route}/{profile}/{operation}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("matrix"))
    with made.server:
        yield made


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_credential(world: World, profile: str, route: Route, operation: Operation) -> None:
    published = route is Route.STANDARD or AuthMode.MTLS in MODES[profile]
    expected = {}
    for kind in CREDENTIALS:
        if not published:
            expected[kind] = 404
        elif kind in ALLOWED[profile, route, operation]:
            expected[kind] = 200
        elif kind == "locked_out" and "password" in ALLOWED[profile, route, operation]:
            expected[kind] = 429
        else:
            expected[kind] = 401
    found = {kind: world.attempt(profile, route, operation, kind) for kind in CREDENTIALS}
    assert found == expected


def test_every_refusal_issued_nothing(world: World) -> None:
    """What is on record was answered with 200: one success event for each certificate."""
    events = [recorded.event for recorded in all_events(world.server)]
    records = world.server.records()
    known: list[CertificateRecord] = []
    while page := records.certificates(after=known[-1].id if known else None, limit=500):
        known += page
    records.close()
    granted = {
        str(event.details["serial"]) for event in events if event.action.endswith("_success")
    }
    assert {c.serial for c in known if c.source == "EST"} == granted
    refused = [event for event in events if event.outcome is Outcome.FAILURE]
    assert {event.action.value for event in refused} == {
        "est_auth_failed_basic",
        "est_auth_failed_mtls",
    }
    assert {
        "untrusted",
        "expired",
        "revoked",
        "other_profile",
        "missing",
        "wrong_password",
        "locked_out",
    } <= {str(event.details["reason"]) for event in refused}


def test_every_mode_and_operation_has_its_rows() -> None:
    """A new operation, route or mode without expected answers fails here."""
    said = {mode for modes in MODES.values() for mode in modes.split(",")}
    assert said == set(AuthMode)
    published = {
        (profile, route, operation)
        for profile in PROFILES
        for route in Route
        for operation in Operation
        if route is Route.STANDARD or AuthMode.MTLS in MODES[profile]
    }
    assert set(ALLOWED) == published


def test_no_anonymous_profile_where_authentication_is_required(tmp_path: Path) -> None:
    settings = {
        "EST_PROFILES": "shut,open",
        "EST_PROFILE_SHUT_ISSUER_ID": "iss-local",
        "EST_PROFILE_SHUT_ENROLLMENT_PASSWORD": PASSWORDS["pass"],
        "EST_PROFILE_OPEN_ISSUER_ID": "iss-local",
        "EST_REQUIRE_AUTH": "true",
    }
    text = refuses_to_start(configured_server(tmp_path, settings))
    assert "CERTCTL_EST_REQUIRE_AUTH" in text
    assert 'profile "open" is anonymous' in text
    assert not (tmp_path / "data" / "certctl.db").exists()
