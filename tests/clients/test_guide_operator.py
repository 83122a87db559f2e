"""The guide's lines for operators, typed word for word: CLI, admin paths, bulk revoke, audit.

Only host, port, CA file and key are mapped, and the guide's ``<…>`` filled in. Where the
guide is wrong, docs/reference/guide-differences.md says so, and a test here shows it.
"""

from __future__ import annotations

import base64
import itertools
import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.api_keys import Role
from certctl.domain.audit import AuditAction
from tests.clients.tools import Ran, need, run
from tests.harness import guide
from tests.harness.api import first_key
from tests.harness.device import Device
from tests.harness.pages import Visitor
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server
from tests.harness.shell import CLI

pytestmark = pytest.mark.clients

RULES = Path(__file__).parents[2] / "docs" / "examples" / "certificate-profiles"
NUMBERS = itertools.count(1)
NOT_OFFERED = 3
CRL_SECONDS = 30.0


@dataclass
class Desk:
    """An operator's shell, with what the guide tells to have in its environment."""

    server: RunningServer
    directory: Path
    keys: dict[Role, str]
    bundle: Path

    def types(self, line: str, *, role: Role = Role.ADMIN, given: bytes = b"") -> Ran:
        bash = need("bash", package="bash")
        command = [bash, "-euo", "pipefail", "-c", guide.mapped(line, self.server)]
        environment = {
            "PATH": f"{Path(CLI).parent}:/usr/bin:/bin",
            "CERTCTL_API_KEY": self.keys[role],
            "CERTCTL_SERVER_URL": self.server.url,
            "CERTCTL_SERVER_CA_BUNDLE_PATH": str(self.server.ca_file),
        }
        return run(command, directory=self.directory, environment=environment, given=given)

    def curl(self, request: str, *more: str, role: Role = Role.ADMIN) -> tuple[int, object]:
        """A path as the guide names it (``GET /…``): status and JSON."""
        method, path = request.split()
        ran = self.types(
            'curl -sS --cacert /path/to/ca.crt -H "Authorization: Bearer $CERTCTL_API_KEY"'
            f" -w '\\n%{{http_code}}' -X {method} {shlex.join(more)}"
            f" 'https://certctl.example.com:8443{path}'",
            role=role,
        )
        assert ran.code == 0, ran.said
        body, _, status = ran.output.decode().rpartition("\n")
        return int(status), json.loads(body)

    def reload(self, role: Role = Role.ADMIN) -> tuple[int, object]:
        body = ("-H", "Content-Type: application/json", "-d", '{"path_id":"wifi"}')
        return self.curl(guide.RELOAD, *body, role=role)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    need("curl", package="curl")
    directory = tmp_path_factory.mktemp("guide")
    bundle = ForeignCA("wifi-bootstrap-ca").bundle(directory / "wifi-bootstrap-ca.pem")
    settings = {
        "CERTIFICATE_PROFILES_DIR": str(RULES),
        "EST_PROFILES": "iot,wifi",
        # The guide's lines carry no credential of a device.
        "EST_ROOT_PROFILE": "iot",
        "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
        "EST_PROFILE_IOT_PROFILE_ID": "cp-iot-sensors",
        "EST_PROFILE_WIFI_ISSUER_ID": "iss-local",
        "EST_PROFILE_WIFI_PROFILE_ID": "cp-wifi-eap-tls",
        "EST_PROFILE_WIFI_MTLS_ENABLED": "true",
        "EST_PROFILE_WIFI_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
        "EST_PROFILE_WIFI_ALLOWED_AUTH_MODES": "mtls",
        "WORKERS": "1",
    }
    with configured_server(directory, settings) as server:
        keys = {role: first_key(server, role.value, role) for role in Role}
        yield Desk(server, directory, keys, bundle)


@pytest.fixture
def csr(desk: Desk) -> Path:
    """The request of a new sensor, enrolled once, so that it has something to renew."""
    name = f"sensor-{next(NUMBERS)}.iot.example"
    device = Device(desk.directory, name, san=(x509.DNSName(name),))
    path = desk.directory / f"{name}.csr"
    path.write_bytes(device.csr().public_bytes(Encoding.PEM))
    assert device.enroll(desk.server, "/.well-known/est/iot/simpleenroll").status == 200
    return path


# --- the six lines of the CLI ----------------------------------------------------------------


def variants(line: str, csr: Path) -> Iterator[tuple[str, bytes]]:
    """Every line that the guide's one stands for, and its standard input."""
    ways = [("iot", str(csr), ""), ("''", str(csr), "")]
    if "<path|->" in line:
        ways += [("iot", "-", "--out out.pem")]
    for profile, file, out in ways:
        typed = line.replace("<name>", profile).replace("<path|->", file)
        typed = typed.replace("[--out <path>]", out).replace("<prefix>", "made")
        yield typed.replace("<path>", str(csr)), csr.read_bytes() if file == "-" else b""


@pytest.mark.parametrize("line", guide.CLI.splitlines())
def test_the_lines_of_the_cli(desk: Desk, csr: Path, line: str):
    for typed, given in variants(line, csr):
        out = desk.directory / "out.pem"
        out.unlink(missing_ok=True)
        ran = desk.types(typed, given=given)
        if " serverkeygen " in line:
            # The guide has it; this server does not offer it and says so.
            assert ran.code == NOT_OFFERED, ran.said
            assert "does not offer serverkeygen" in ran.said
            assert not list(desk.directory.glob("made*"))
            continue
        assert ran.code == 0, (typed, ran.said)
        if "--out" in typed:
            assert ran.output == b""
            x509.load_pem_x509_certificate(out.read_bytes())
        elif " csrattrs " in line:
            assert base64.b64decode(ran.output.strip(), validate=True)
        elif " test " in line:
            assert [row["good"] for row in json.loads(ran.output)["results"]] == [True, True]
        else:
            assert x509.load_pem_x509_certificates(ran.output)


# --- the admin paths of the GUI chapter -----------------------------------------------------


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_admin_paths_and_page_are_closed_to_others(desk: Desk, role: Role):
    for status, problem in (desk.curl(guide.PROFILES, role=role), desk.reload(role)):
        assert status == 403
        assert isinstance(problem, dict)
        assert "admin" in problem["message"]
    visitor = Visitor(desk.server)
    visitor.log_in(desk.keys[role])
    page = visitor.get("/est")
    assert b"Admin access required" in page.body
    assert b"est-profile-summary" not in page.body


def test_every_profile_comes_with_its_modes_and_counters(desk: Desk):
    status, answer = desk.curl(guide.PROFILES)
    assert status == 200
    assert isinstance(answer, dict)
    profiles = {each["path_id"]: each for each in answer["profiles"]}
    assert set(profiles) == {"iot", "wifi"}
    assert len(profiles["iot"]["counters"]) == 12
    (anchor,) = profiles["wifi"]["trust_anchors"]
    assert anchor["subject"] == "CN=wifi-bootstrap-ca"
    assert anchor["days_to_expiry"] > 0


def test_a_reload_replaces_the_pool_and_a_bad_one_keeps_it(desk: Desk):
    good = desk.bundle.read_bytes()
    before = all_events(desk.server)[-1].seq
    status, problem = 0, None
    try:
        desk.bundle.write_text("-----BEGIN CERTIFICATE-----\nhalf of one\n")
        status, problem = desk.reload()
    finally:
        desk.bundle.write_bytes(good)
    assert status == 422
    assert isinstance(problem, dict)
    assert str(desk.bundle) in problem["message"]
    assert not reloads(desk, before), "a failed reload leaves no such event"
    assert anchors(desk) == ["CN=wifi-bootstrap-ca"]

    rotated = good + ForeignCA("wifi-bootstrap-ca-2").certificate.public_bytes(Encoding.PEM)
    desk.bundle.write_bytes(rotated)
    status, answer = desk.reload()
    assert status == 200
    assert isinstance(answer, dict)
    assert answer["reloaded"] is True
    (event,) = reloads(desk, before)
    assert event["path_id"] == "wifi"
    assert anchors(desk) == ["CN=wifi-bootstrap-ca", "CN=wifi-bootstrap-ca-2"]


def anchors(desk: Desk) -> list[str]:
    _, answer = desk.curl(guide.PROFILES)
    assert isinstance(answer, dict)
    (wifi,) = [each for each in answer["profiles"] if each["path_id"] == "wifi"]
    return [each["subject"] for each in wifi["trust_anchors"]]


def reloads(desk: Desk, after: int) -> list[dict[str, object]]:
    found = (each.event for each in all_events(desk.server, after=after))
    wanted = AuditAction.TRUST_ANCHOR_RELOADED
    return [dict(each.details) for each in found if each.action is wanted]


@pytest.mark.parametrize("prefix", guide.PREFIXES)
def test_the_four_queries_of_the_activity_tab(desk: Desk, csr: Path, prefix: str):
    assert csr.exists()
    status, answer = desk.curl(f"GET /api/v1/audit?action={prefix}")
    assert status == 200
    assert isinstance(answer, dict)
    assert all(each["action"].startswith(prefix) for each in answer["data"])
    if prefix == "est_simple_enroll":
        assert answer["data"], "this device has just enrolled"


# --- bulk revoke and its CRL ---------------------------------------------------------------


def test_bulk_revoke_is_for_admins_and_the_crl_picks_it_up(desk: Desk, csr: Path):
    ran = desk.types(f"certctl-cli est enroll --profile iot --csr {csr}")
    serial = x509.load_pem_x509_certificate(ran.output).serial_number
    closed = json.loads(desk.types(guide.BULK_REVOKE, role=Role.OPERATOR).output)
    assert closed["status"] == 403
    assert revocation(desk, serial) is None
    answer = json.loads(desk.types(guide.BULK_REVOKE).output)
    assert answer["total_revoked"] >= 1
    deadline = time.monotonic() + CRL_SECONDS
    while (found := revocation(desk, serial)) is None:
        assert time.monotonic() < deadline, "the CRL does not name it"
        time.sleep(0.1)
    reason = found.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise


def revocation(desk: Desk, serial: int) -> x509.RevokedCertificate | None:
    """By the path of the guide's FreeRADIUS chapter."""
    crl = "https://certctl.example.com:8443/.well-known/pki/crls/iss-local.crl"
    ran = desk.types(f"curl -sS --fail --cacert /path/to/ca.crt {crl}")
    assert ran.code == 0, ran.said
    return x509.load_der_x509_crl(ran.output).get_revoked_certificate_by_serial_number(serial)


# --- the troubleshooting matrix ---------------------------------------------------------------


def test_every_action_of_the_matrix_can_be_asked_for(desk: Desk):
    ours = set(AuditAction)
    for action in guide.ACTIONS.splitlines():
        status, answer = desk.curl(f"GET /api/v1/audit?action={action}")
        assert status == 200
        assert isinstance(answer, dict)
        assert all(each["action"] == action for each in answer["data"])
        # That each is really emitted is shown by test_every_action_and_counter.py.
        assert (action in ours) is not action.startswith("est_server_keygen_")


def test_a_certificate_of_nobody_is_named_in_the_details(desk: Desk):
    stray = ForeignCA("nobody").equip(Device(desk.directory, "stray"))
    before = all_events(desk.server)[-1].seq
    assert (
        stray.enroll(
            desk.server, "/.well-known/est-mtls/wifi/simpleenroll", with_certificate=True
        ).status
        == 401
    )
    deadline = time.monotonic() + CRL_SECONDS
    while True:
        found = [each.event for each in all_events(desk.server, after=before)]
        refused = [each for each in found if each.action is AuditAction.AUTH_FAILED_MTLS]
        if refused:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert refused[0].details["subject"] == "CN=stray"
    assert refused[0].details["reason"] == "untrusted"
